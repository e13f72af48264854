"""LiteRT Quantizer (once ai-edge-quantizer), with its ready-made recipes."""

from pathlib import Path

from contract import Made, calibration, keep_files
from litert_quantizer import calibrator, quantizer, recipe

GUIDE = "https://pypi.org/project/litert-quantizer/0.11.0/"


def quantize(inputs: Path, output: Path) -> Made:
    source = str(inputs / "float32.tflite")
    dynamic = quantizer.Quantizer(source)
    dynamic.load_quantization_recipe(recipe.dynamic_wi8_afp32())
    path = output / "dynamic.tflite"
    dynamic.quantize().export_model(str(path), overwrite=True)
    yield path, "dynamic_wi8_afp32, which it recommends for CPUs"
    static = quantizer.Quantizer(source)
    static.load_quantization_recipe(recipe.static_wi8_ai8())
    interpreter = calibrator.CalibrationInterpreter(source)
    (key,) = interpreter.get_signature_list()
    (name,) = interpreter.get_signature_list()[key]["inputs"]
    samples = {key: [{name: image} for image in calibration(inputs)]}
    mode = calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED
    path = output / "static.tflite"
    static.quantize(static.calibrate(samples, mode=mode)).export_model(str(path), overwrite=True)
    yield path, "static_wi8_ai8"


keep_files(quantize, GUIDE, ("litert-quantizer",))
