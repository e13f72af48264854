"""The same network has the same figures in every format and precision."""

from pathlib import Path

import pytest

from edgecv.formats.contents import Contents
from edgecv.formats.keras import inspect as keras
from edgecv.formats.onnx import inspect as onnx
from edgecv.formats.tflite import inspect as tflite

PRECISIONS = [
    ("float32.tflite", "float32", "float32", "float"),
    ("float16.tflite", "float32", "float16", "float"),
    ("int8.tflite", "int8", "int8", "quantized"),
    ("int16x8.tflite", "int16", "int8", "quantized"),
    ("float32.onnx", "float32", "float32", "float"),
    ("int8.onnx", "uint8", "int8", "quantized"),
]
KERNELS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "Conv", "Gemm", "MatMul")


def read(path: Path) -> Contents:
    if path.suffix == ".tflite":
        return tflite.read(path.read_bytes(), str(path))
    if path.suffix == ".onnx":
        return onnx.read(path.read_bytes(), str(path))
    return keras.read(path, path.suffix)


@pytest.mark.parametrize(
    "name",
    ["m.keras", "m.h5", "float32.tflite", "int8.tflite", "float32.onnx", "int8.onnx"],
)
def test_the_cifar_network_has_one_cost(exported, name: str) -> None:
    contents = read(exported("cifar", name))
    assert (contents.macs, contents.parameters) == (4_548_608, 122_570)
    by_cost = [each.macs for each in contents.operators if each.macs]
    assert by_cost == [777_600, 3_115_008, 589_824, 65_536, 640]


@pytest.mark.parametrize("name", ["int8.tflite", "float32.onnx"])
def test_a_model_that_nobody_here_made_keeps_its_macs(exported, name: str) -> None:
    contents = read(exported("vww", name))
    # 27 BatchNormalization layers, 10,944 parameters, are folded into the layers before them.
    assert (contents.macs, contents.parameters) == (7_489_664, 210_850)


def test_that_model_itself(exported) -> None:
    contents = read(exported("vww", "m.h5"))
    assert (contents.macs, contents.parameters) == (7_489_664, 221_794)
    assert contents.peak_activation_bytes_int8 == 55_296
    assert contents.peak_activation_bytes == 4 * 55_296
    assert [(end.shape, end.type) for end in contents.inputs] == [((-1, 96, 96, 3), "float32")]


@pytest.mark.parametrize(("name", "activations", "weights", "arithmetic"), PRECISIONS)
def test_every_precision_is_told(
    exported, name: str, activations: str, weights: str, arithmetic: str
) -> None:
    contents = read(exported("modern", name))
    kernels = [each for each in contents.operators if each.type in KERNELS]
    assert len(kernels) == 5
    for each in kernels:
        assert (each.activation_type, each.weight_type) == (activations, weights)
    assert {each.arithmetic for each in contents.operators} <= {arithmetic, "conversion"}
    assert (contents.macs, contents.parameters) == (958_560, 6_508)


def test_weights_only_quantization_is_told_from_the_rest(exported) -> None:
    contents = read(exported("modern", "dynamic.tflite"))
    kernels = {each.arithmetic: each for each in contents.operators if each.type == "CONV_2D"}
    assert kernels["weights only"].weight_type == "int8"
    assert kernels["float"].weight_type == "float32"
    assert {each.arithmetic for each in contents.operators} == {"weights only", "float"}


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("m.keras", 49_152),
        ("float32.tflite", 49_152),
        ("float16.tflite", 49_152),
        ("int16x8.tflite", 24_576),
        ("int8.tflite", 12_288),
        ("float32.onnx", 49_152),
        ("int8.onnx", 12_288),
    ],
)
def test_activations_take_as_much_as_their_type(exported, name: str, peak: int) -> None:
    # Three maps of 16x16x16 live at the addition of a branch.
    assert read(exported("modern", name)).peak_activation_bytes == peak


@pytest.mark.parametrize(
    ("name", "types", "scales"),
    [
        ("int8.tflite", ("int8", "int8"), (1.0, 1 / 256)),
        ("int8.onnx", ("uint8", "uint8"), (1.0, 1 / 256)),
        ("float32.tflite", ("float32", "float32"), (None, None)),
    ],
)
def test_ends_have_types_and_scales(
    exported, name: str, types: tuple[str, str], scales: tuple[float | None, float | None]
) -> None:
    contents = read(exported("cifar", name))
    ends = [*contents.inputs, *contents.outputs]
    assert tuple(end.type for end in ends) == types
    assert tuple(end.scale for end in ends) == scales
    assert [end.shape[-1] for end in ends] == [3, 10]


def test_weights_have_a_scale_a_channel_and_the_bytes_they_take(exported) -> None:
    for name in ("int8.tflite", "int8.onnx"):
        conv = next(e for e in read(exported("cifar", name)).operators if e.macs == 3_115_008)
        assert conv.weight_scales == 64
        assert conv.weight_bytes == 64 * 32 * 9 + 64 * 4  # int8 and a bias of int32
        assert conv.parameters == 18_496
