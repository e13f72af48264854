"""Static quantization of ONNX Runtime, with its defaults and as it recommends for x86."""

from pathlib import Path

from contract import Made, calibration, keep_files
from onnxruntime import InferenceSession
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

GUIDE = "https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html"


class Reader(CalibrationDataReader):
    def __init__(self, inputs: Path, name: str) -> None:
        self.samples = ({name: image} for image in calibration(inputs))

    def get_next(self) -> dict | None:
        return next(self.samples, None)


def quantize(inputs: Path, output: Path) -> Made:
    source, prepared = inputs / "float32.onnx", output / "prepared"
    (entry,) = InferenceSession(str(source)).get_inputs()
    quant_pre_process(str(source), str(prepared))
    path = output / "s8s8.onnx"
    quantize_static(str(prepared), str(path), Reader(inputs, entry.name))
    yield path, "defaults: QDQ, S8S8, one scale a kernel"
    path = output / "u8s8.onnx"
    quantize_static(
        str(prepared),
        str(path),
        Reader(inputs, entry.name),
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )
    yield path, "QDQ, U8S8, a scale a channel"


keep_files(quantize, GUIDE, ("onnxruntime", "onnx"))
