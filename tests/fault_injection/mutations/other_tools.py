"""Honest files of a Keras model by tools of others: TFLite's converter, ONNX Runtime's quantizer.

Nothing of edgecv makes them: other names, other types at the ends, other places of constants.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.core.data import Images

Changes = Callable[[Any, Any], None]


def _integers(lite: Any, converter: Any) -> None:
    converter.target_spec.supported_ops = [lite.OpsSet.TFLITE_BUILTINS_INT8]


def _whole(kind: str) -> Changes:
    def change(tensorflow: Any, converter: Any) -> None:
        _integers(tensorflow.lite, converter)
        converter.inference_input_type = converter.inference_output_type = getattr(tensorflow, kind)

    return change


def _one_scale(tensorflow: Any, converter: Any) -> None:
    converter._experimental_disable_per_channel = True


def _mixed(tensorflow: Any, converter: Any) -> None:
    """Integers where there are kernels for them, floats elsewhere: the converter's default."""


def _float16(tensorflow: Any, converter: Any) -> None:
    converter.representative_dataset = None
    converter.target_spec.supported_types = [tensorflow.float16]


def _dynamic(tensorflow: Any, converter: Any) -> None:
    converter.representative_dataset = None


def _float32(tensorflow: Any, converter: Any) -> None:
    converter.optimizations = []


TFLITE: Mapping[str, Changes] = {
    "float32": _float32,
    "dynamic": _dynamic,
    "float16": _float16,
    "int8": _whole("int8"),
    "uint8-ends": _whole("uint8"),
    "mixed": _mixed,
    "one-scale": _one_scale,
}
STATIC: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "u8s8": {"activation_type": "QUInt8", "weight_type": "QInt8", "per_channel": True},
    "s8s8": {"activation_type": "QInt8", "weight_type": "QInt8", "per_channel": True},
    "u8u8": {"activation_type": "QUInt8", "weight_type": "QUInt8"},
    "reduced": {"activation_type": "QUInt8", "weight_type": "QInt8", "reduce_range": True},
    "operators": {"quant_format": "QOperator", "activation_type": "QUInt8"},
    "operators-per-channel": {"quant_format": "QOperator", "per_channel": True},
    "symmetric": {"extra_options": {"ActivationSymmetric": True}},
    "asymmetric-weights": {"extra_options": {"WeightSymmetric": False}},
}
DYNAMIC: Mapping[str, Mapping[str, Any]] = {
    "signed": {"weight_type": "QInt8"},
    "unsigned": {"weight_type": "QUInt8"},
    "per-channel": {"weight_type": "QInt8", "per_channel": True},
}


def tflite(
    model: Any, images: Images, path: Path, kind: str = "int8", *, saved: Path | None = None
) -> Path:
    """Convert as the documentation of TensorFlow does; ``saved``: by way of a SavedModel there."""
    from edgecv.models.tf import load_tensorflow

    tensorflow, _ = load_tensorflow()
    lite = tensorflow.lite.TFLiteConverter
    if saved is not None:
        model.export(str(saved))
        converter = lite.from_saved_model(str(saved))
    else:
        converter = lite.from_keras_model(model)
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([each[None].astype(np.float32)] for each in images)
    TFLITE[kind](tensorflow, converter)
    path.write_bytes(converter.convert())
    return path


def onnx_float(model: Any, path: Path, opset: int = 15, *, is_nchw: bool = False) -> Path:
    """Convert as tf2onnx's documentation does."""
    import tf2onnx

    from edgecv.models.tf import load_tensorflow

    tensorflow, _ = load_tensorflow()
    signature = (tensorflow.TensorSpec((None, *model.input_shape[1:]), tensorflow.float32, "x"),)
    first = ["x"] if is_nchw else None
    tf2onnx.convert.from_keras(
        model, signature, opset=opset, inputs_as_nchw=first, output_path=str(path)
    )
    return path


def onnx_static(source: Path, images: Images, path: Path, kind: str = "default") -> Path:
    """Quantize a float32 .onnx file by ONNX Runtime's own quantizer."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    given: dict[str, Any] = dict(STATIC[kind])
    for name, values in (("quant_format", QuantFormat), ("activation_type", QuantType),
                         ("weight_type", QuantType)):  # fmt: skip
        if name in given:
            given[name] = values[given[name]]
    quantize_static(str(source), str(path), Calibration(source, images), **given)
    return path


def onnx_dynamic(source: Path, path: Path, kind: str = "signed") -> Path:
    """Quantize the weights of a float32 .onnx file by ONNX Runtime's own quantizer."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    given = dict(DYNAMIC[kind])
    given["weight_type"] = QuantType[given["weight_type"]]
    quantize_dynamic(str(source), str(path), **given)
    return path


def onnx_optimized(source: Path, path: Path, level: str) -> Path:
    """Write a file as ONNX Runtime has optimized it; ``level``: BASIC or EXTENDED."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = getattr(
        onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{level}"
    )
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    return path


class Calibration:
    """Images for ONNX Runtime's quantizer, as its documentation gives them."""

    def __init__(self, source: Path, images: Images) -> None:
        import onnx

        name = onnx.load(source).graph.input[0].name
        self._rest: Iterator[Any] = iter({name: each[None].astype(np.float32)} for each in images)

    def get_next(self) -> Any:
        return next(self._rest, None)

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return next(self._rest)
