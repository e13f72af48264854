"""NNCF's post-training quantization of ONNX, as in its example of MobileNet v2."""

from pathlib import Path

import nncf
import onnx
from contract import Made, calibration, keep_files

GUIDE = "https://github.com/openvinotoolkit/nncf/tree/develop/examples/post_training_quantization/onnx/mobilenet_v2"


def quantize(inputs: Path, output: Path) -> Made:
    model = onnx.load(inputs / "float32.onnx")
    name = model.graph.input[0].name
    samples = nncf.Dataset(list(calibration(inputs)), lambda image: {name: image})
    path = output / "int8.onnx"
    onnx.save(nncf.quantize(model, samples), path)
    yield path, "nncf.quantize with its defaults"


keep_files(quantize, GUIDE, ("nncf", "onnx", "onnxruntime"))
