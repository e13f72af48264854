"""The reason for which a given baseline is no float32 reference."""

from pathlib import Path

import numpy as np
import pytest

from edgecv.analysis.reference_check.check import not_float
from edgecv.analysis.reference_check.twin import is_reference
from edgecv.core.quantization import Kernel, Stored

pytestmark = pytest.mark.quick


def stored(*types: str) -> Stored:
    values, vector = np.zeros((1, 1, 1), np.float32), np.zeros(1, np.float32)
    kernels = tuple(Kernel("k", kind, values, vector, vector, vector) for kind in types)
    return Stored(kernels, (), (), None)


def test_weights_that_are_rounded_themselves_are_named() -> None:
    text = not_float(Path("half.tflite"), stored("float16", "float16"))
    assert text.startswith("half.tflite holds weights of float16, which are rounded themselves")
    assert "--baseline" in text
    assert not_float(Path("m.onnx"), stored()) == "m.onnx holds no kernels to compare with"


@pytest.mark.parametrize(
    ("twin", "file", "expected"),
    [
        (["float32"], ["int8", "float32"], True),
        (["float32"], ["float16"], True),
        (["float16"], ["float16"], True),
        (["float16", "float32"], ["float16"], True),
        (["float16"], ["int8"], False),
        (["float16"], ["float32"], False),
        (["int8"], ["float16"], False),
        ([], ["float16"], False),
    ],
)
def test_float16_weights_are_a_reference_for_float16_alone(
    twin: list[str], file: list[str], expected: bool
) -> None:
    assert is_reference(stored(*twin), stored(*file)) is expected
