"""Pixels in, probabilities out, and work shared between threads."""

import threading
from pathlib import Path

import numpy as np
import pytest

from edgecv.core.artifact import TensorFacts
from edgecv.core.errors import RuntimeFailure
from edgecv.core.input_spec import DEFAULT_INPUT
from edgecv.core.text import first_line
from edgecv.formats.image_input import pixel_encoder
from edgecv.formats.tensors import decode_output, facts_of, run_slices

pytestmark = pytest.mark.quick

PIXELS = np.arange(256, dtype=np.uint8)
PATH = Path("a.file")


def tensor(kind: str, scale: float | None = None, zero_point: int | None = None) -> TensorFacts:
    return TensorFacts("t", (1, 2, 2, 3), kind, scale, zero_point)


def test_bytes_go_in_as_they_are() -> None:
    for facts in (tensor("uint8", 1.0, 0), tensor("uint8")):
        assert np.shares_memory(pixel_encoder(facts)(PIXELS), PIXELS)


@pytest.mark.parametrize(
    "facts",
    [
        tensor("int8", 1.0, -128),
        tensor("int16", 255 / 32767, 0),
        tensor("uint8", 2.0, 3),
        tensor("int8", 0.5, -128),  # pixels above 127 do not fit: clipped
    ],
    ids=["shifted", "wide", "coarse", "clipped"],
)
def test_pixels_are_rounded_shifted_and_clipped(facts: TensorFacts) -> None:
    assert facts.scale is not None
    assert facts.zero_point is not None
    encoded = pixel_encoder(facts)(PIXELS)
    limits = np.iinfo(facts.type)
    for pixel, value in zip(PIXELS, encoded, strict=True):
        exact = round(float(pixel) / facts.scale) + facts.zero_point
        assert value == min(max(exact, limits.min), limits.max)


def test_float_input_takes_the_pixel_values() -> None:
    encoded = pixel_encoder(tensor("float32"))(PIXELS)
    assert encoded.dtype == np.float32
    np.testing.assert_array_equal(encoded, PIXELS)


def test_quantized_output_is_scaled_back() -> None:
    values = np.array([[-128, 0, 127]], np.int8)
    decoded = decode_output(tensor("int8", 1 / 256, -128), values)
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(decoded, np.float32([[0, 0.5, 255 / 256]]))


@pytest.mark.parametrize(
    ("scale", "zero_point"), [(float("nan"), 0), (-1.0, 0), (float("inf"), 0), (1.0, 300)]
)
def test_an_impossible_scale_or_zero_point_is_refused(scale: float, zero_point: int) -> None:
    taken, given = tensor("uint8", scale, zero_point), TensorFacts("o", (1, 3), "float32")
    with pytest.raises(RuntimeFailure, match="scale"):
        facts_of(PATH, taken, [given], DEFAULT_INPUT, ["uint8"], ["float32"])


def test_an_integer_that_does_not_say_its_scale_is_refused() -> None:
    for taken, given in (("int8", "float32"), ("uint8", "int8")):
        ends = tensor(taken), [TensorFacts("o", (1, 3), given)]
        with pytest.raises(RuntimeFailure, match="is int8 and does not say its scale"):
            facts_of(PATH, *ends, DEFAULT_INPUT, ["uint8", "int8"], ["float32", "int8"])


@pytest.mark.parametrize("shape", [(1, 5, 8, 8), (-1, 8, -1, 3), (1, 64), (1, 8, 8, 0)])
def test_what_is_not_an_image_of_one_size_is_refused(shape: tuple[int, ...]) -> None:
    taken, given = TensorFacts("i", shape, "uint8"), TensorFacts("o", (1, 3), "float32")
    with pytest.raises(RuntimeFailure, match="accepted: images of one size") as caught:
        facts_of(PATH, taken, [given], DEFAULT_INPUT, ["uint8"], ["float32"])
    assert f"shape {list(shape)}" in str(caught.value)


@pytest.mark.parametrize("runners", [1, 2, 5])
@pytest.mark.parametrize(("count", "multiple"), [(0, 1), (1, 1), (1000, 1), (1003, 8), (5, 100)])
def test_every_image_is_run_once(runners: int, count: int, multiple: int) -> None:
    seen = np.zeros(count, int)
    lock = threading.Lock()
    starts = []

    def run(part: slice) -> None:
        with lock:
            seen[part] += 1
            starts.append(part.start)

    run_slices([run] * runners, count, multiple)
    assert (seen == 1).all()
    assert all(start % multiple == 0 for start in starts)


def test_a_failure_in_a_thread_is_raised() -> None:
    def run(part: slice) -> None:
        raise ValueError(f"at {part.start}")

    with pytest.raises(ValueError, match="at "):
        run_slices([run, run], 100)


def test_a_message_is_one_printable_line() -> None:
    assert first_line(ValueError("\n  first\x1b[2J \nsecond")) == "first?[2J"
    assert first_line(ValueError("x" * 1000)) == "x" * 300
    assert first_line(KeyError()) == "KeyError"
