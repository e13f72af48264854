"""Arrays of numbers that are no pixels become bytes that stand for them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecv.core.errors import InputError
from edgecv.core.preprocessing import affine_of
from edgecv.datasets.arrays import Arrays
from edgecv.datasets.numbers import are_numbers, as_levels

pytestmark = pytest.mark.quick


def windows(count: int, channels: int = 1, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(3, 2, (count, 12, 5, channels)).astype(np.float32)


@given(st.integers(0, 1000), st.integers(1, 3), st.floats(1e-3, 1e3))
def test_bytes_stand_for_the_numbers_to_half_a_step(seed: int, channels: int, size: float) -> None:
    numbers = windows(6, channels, seed) * size
    (levels,), meant, _ = as_levels([numbers], ["x_train"], "test")
    scale, offset, _ = affine_of(meant, channels, "test")
    assert levels.dtype == np.uint8
    assert np.all(np.abs(levels * scale + offset - numbers) <= scale * 0.51)


def test_the_range_is_that_of_the_training_images() -> None:
    far = windows(4) * 10
    (train, test), meant, note = as_levels([windows(8), far], ["x_train", "x_test"], "test")
    assert (train.min(), train.max()) == (0, 255)
    assert meant.offset == pytest.approx(float(windows(8).min()))
    beyond = (far < windows(8).min()) | (far > windows(8).max())
    assert f"; {beyond.sum() / 12 / 60:.2%} of all numbers lie beyond and were cut" in note
    assert "round((x - " in note
    assert test.max() == 255


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (windows(2), True),
        (windows(2)[..., 0] * 100, True),
        (np.full((2, 4, 4), 300), True),
        (np.full((2, 4, 4, 3), 0.5), False),
        (np.full((2, 4, 4, 3), 25.0), False),
        (np.full((2, 4, 4, 3), 25.5), True),
        (np.zeros((2, 4, 4, 3), np.uint8), False),
        (np.full((2, 4), -1.0), False),
    ],
)
def test_pixels_in_floats_stay_refused(values: Any, expected: bool) -> None:
    assert are_numbers(values) is expected


def test_numbers_are_never_resized_and_must_be_finite() -> None:
    arrays = {"x_train": windows(60), "y_train": np.arange(60) % 3}
    arrays |= {"x_test": windows(30, seed=1), "y_test": np.arange(30) % 3}
    data = Arrays.of(arrays).load((12, 5, 1), 0, lambda done, total: None)
    assert data.meaning is not None
    assert any("256 levels" in note for note in data.notes)
    with pytest.raises(InputError, match="only pixels are resized"):
        Arrays.of(arrays).load((24, 5, 1), 0, lambda done, total: None)
    arrays["x_test"][0, 0, 0, 0] = np.inf
    with pytest.raises(InputError, match="x_test holds NaN, infinity"):
        Arrays.of(arrays)


@pytest.mark.parametrize("channels", [1, 3])
def test_numbers_of_other_channels_are_refused(channels: int) -> None:
    arrays = {"x_train": windows(6, 2), "y_train": np.arange(6) % 2}
    arrays |= {"x_test": windows(6, channels), "y_test": np.arange(6) % 2}
    with pytest.raises(InputError, match=r"x_train holds images of shape .*one shape for both"):
        Arrays.of(arrays)


def test_arrays_of_nothing_are_refused() -> None:
    """numpy's usual type is a float: the range of no numbers was asked for."""
    images = np.zeros((6, 8, 8, 1), np.uint8)
    labels = np.arange(6) % 2
    for train, test in ((np.empty((0, 8, 8, 1)), images), (windows(6), np.empty((0, 12, 5, 1)))):
        arrays = {"x_train": train, "y_train": labels[: len(train)]}
        arrays |= {"x_test": test, "y_test": labels[: len(test)]}
        with pytest.raises(InputError, match=r"holds no|has the shape \(0, "):
            Arrays.of(arrays)
