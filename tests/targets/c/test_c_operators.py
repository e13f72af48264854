"""Operators in C: the bits of LiteRT's kernels, without a warning or an error of a sanitizer."""

import math
from pathlib import Path

import numpy as np
import pytest
from c_build import SANITIZED, build, disagreements, needs_compiler
from c_models import FAMILIES, convert, convolutions, rearranged, with_four_bits

from edgecv.formats.tflite.tables import TFLiteTables
from edgecv.targets.c.generate import generate
from edgecv.targets.c.program import Arithmetic

pytestmark = needs_compiler
SHAPE = (7, 10, 6)


@pytest.fixture(scope="module")
def int8_models() -> dict[str, bytes]:
    return {name: convert(SHAPE, branches) for name, branches in FAMILIES.items()}


@pytest.mark.parametrize("arithmetic", ["builtin", "reference"])
@pytest.mark.parametrize("family", FAMILIES)
def test_integers_are_those_of_litert_bit_for_bit(
    int8_models: dict[str, bytes], family: str, arithmetic: Arithmetic, tmp_path: Path
) -> None:
    flags = SANITIZED if arithmetic == "builtin" else ("-O3",)
    assert not disagreements(int8_models[family], arithmetic, tmp_path / "c", flags=flags)


@pytest.mark.parametrize("arithmetic", ["builtin", "reference"])
def test_weights_of_4_bits_lie_two_in_a_byte_and_give_the_same_bits(
    int8_models: dict[str, bytes], arithmetic: Arithmetic, tmp_path: Path
) -> None:
    usual = int8_models["convolutions"]
    content = with_four_bits(usual)
    flags = SANITIZED if arithmetic == "builtin" else ("-O3",)
    assert not disagreements(content, arithmetic, tmp_path / "c", flags=flags)
    flash = [generate(each, "model", arithmetic).constant_bytes for each in (content, usual)]
    packed = sum(
        math.prod(each.inputs[1].shape) // 2
        for each in TFLiteTables(content, "model").operators
        if each.kind in ("CONV_2D", "FULLY_CONNECTED") and each.inputs[1] is not None
    )
    assert flash[1] - flash[0] > 0.9 * packed > 1000


@pytest.mark.parametrize("factor", [0.3, 0.05, 0.004])
def test_factors_above_one_are_those_of_litert(
    int8_models: dict[str, bytes], factor: float, tmp_path: Path
) -> None:
    tables = TFLiteTables(int8_models["convolutions"], "model")
    content = bytearray(int8_models["convolutions"])
    kinds = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")
    for output in tables.outputs:
        operator = tables.producer(output)
        if operator is not None and operator.kind in kinds:
            tables.write_scales(content, output, np.array([output.scales[0] * factor]))
    assert not disagreements(bytes(content), "builtin", tmp_path / "c", flags=("-O3",))


@pytest.fixture(scope="module")
def float_model() -> bytes:
    def every(x: object) -> list[object]:
        return [each for branches in FAMILIES.values() for each in branches(x)]

    return convert(SHAPE, every, "float32")


def test_reals_are_within_a_hundred_thousandth(float_model: bytes, tmp_path: Path) -> None:
    assert not disagreements(float_model, "builtin", tmp_path / "c")


def test_reals_are_those_of_the_reference_kernels(float_model: bytes, tmp_path: Path) -> None:
    found = disagreements(float_model, "reference", tmp_path / "c", flags=("-O3",), near=0)
    assert [each for each in found if "GELU" not in each] == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_random_shapes(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    shape = (*map(int, random.integers(5, 14, 2)), 2 * int(random.integers(1, 20)))
    for name, branches in FAMILIES.items():
        content = convert(shape, branches, seed=seed)
        for arithmetic in ("builtin", "reference"):
            folder = tmp_path / name / arithmetic
            assert not disagreements(content, arithmetic, folder), f"{name} of {shape}"  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_depth_and_space_are_exchanged(precision: str, tmp_path: Path) -> None:
    content = convert(SHAPE, rearranged, precision)
    kinds = {each.kind for each in TFLiteTables(content, "model").operators}
    assert kinds >= {"DEPTH_TO_SPACE", "SPACE_TO_DEPTH"}
    assert not disagreements(content, "builtin", tmp_path / "c", flags=SANITIZED)


def test_float16_weights_are_unpacked(tmp_path: Path) -> None:
    content = convert(SHAPE, convolutions, "float16")
    assert not disagreements(content, "reference", tmp_path / "c", flags=("-O3",))


def test_weights_that_are_infinite_compile(tmp_path: Path) -> None:
    row = np.array([np.inf, -np.inf, 1, 2, 3, 4], np.float32)
    content = convert(SHAPE, lambda x: [x * row], "float32")
    assert build(content, "builtin", tmp_path / "c", ("-O1",)).is_file()


@pytest.mark.parametrize("number", [3, 5, 8, 11])
def test_a_model_of_one_operator_has_no_unused_function(number: int, tmp_path: Path) -> None:
    content = convert(SHAPE, lambda x: [convolutions(x)[number]])
    assert build(content, "builtin", tmp_path / "c", ("-O1",)).is_file()
