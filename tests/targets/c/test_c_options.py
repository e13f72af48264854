"""Operators whose options and scales a converter seldom writes: the bits of LiteRT's kernels."""

from pathlib import Path

import numpy as np
import pytest
from c_build import disagreements, needs_compiler
from operator_files import OperatorFile

from edgecv.targets.c.program import Arithmetic

pytestmark = [needs_compiler, pytest.mark.quick]
SHAPE = (1, 5, 3, 7)
FAST = ("-O1",)


@pytest.mark.parametrize("arithmetic", ["builtin", "reference"])
def test_a_change_of_scale_is_rounded_as_litert_does(
    arithmetic: Arithmetic, tmp_path: Path
) -> None:
    file = OperatorFile()
    image = file.tensor(SHAPE, steps=(0.05, 3))
    outputs = []
    for kind, zero in (("int8", -7), ("uint8", 120)):
        for factor in (0.4, 1.7, 2.0, 6.0, 14.0):
            changed = file.tensor(SHAPE, kind, (0.05 * factor, zero))
            outputs.append(file.operator("QUANTIZE", [image], changed, version=2))
    back = file.tensor(SHAPE, "int8", (2.0, 5))
    outputs.append(file.operator("QUANTIZE", [outputs[-1]], back, version=2))
    content = file.content([image], outputs)
    assert not disagreements(content, arithmetic, tmp_path, flags=FAST, every_tensor=False)


def test_a_sigmoid_of_large_numbers_has_the_bits_of_the_reference(tmp_path: Path) -> None:
    file = OperatorFile()
    image = file.tensor(SHAPE, "float32")
    factor = file.constant(np.array([12], np.float32))
    large = file.operator("MUL", [image, factor], file.tensor(SHAPE, "float32"), "MulOptions")
    output = file.operator("LOGISTIC", [large], file.tensor(SHAPE, "float32"))
    content = file.content([image], [output])
    assert not disagreements(content, "reference", tmp_path, flags=FAST, near=0)
