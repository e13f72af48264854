"""Quantizers of quantization-aware training: where they stand, and the ranges they share."""
