"""The ONNX format: export, quantize, run, inspect."""
