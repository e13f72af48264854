"""Random images compare the arithmetic of a file that comes without data, and nothing else."""

from pathlib import Path

import numpy as np
import pytest

import edgecv
from edgecv.core.data import Dataset
from edgecv.core.errors import InputError
from edgecv.datasets.noise import Noise

pytestmark = pytest.mark.quick


def load(seed: int = 0, shape: tuple[int, int, int] = (24, 40, 3)) -> Dataset:
    return Noise(noise=12).load(shape, seed, lambda done, total: None)


def test_every_machine_draws_the_same_images() -> None:
    drawn, again, other = load(), load(), load(seed=1)
    assert drawn.test.images.shape == (12, 24, 40, 3)
    assert drawn.test.sha256 == again.test.sha256 != other.test.sha256
    assert len(np.unique(drawn.test.images.reshape(12, -1), axis=0)) == 12
    assert not drawn.has_labels
    assert len(drawn.train) == len(drawn.calibration) == len(drawn.validation) == 0


def test_images_have_coarse_and_fine_squares() -> None:
    changes = (np.diff(load().test.images.astype(int), axis=2) != 0).any(axis=3).sum(axis=(1, 2))
    assert changes.min() < 100 < changes.max()


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 1), (7, 7, 4)])
def test_any_shape_is_drawn(shape: tuple[int, int, int]) -> None:
    assert load(shape=shape).test.images.shape == (12, *shape)


def test_nothing_is_calibrated_on_them(tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(b"")
    with pytest.raises(InputError, match="noise images are random: nothing can be calibrated"):
        edgecv.compress(tmp_path / "m.keras", data="noise", quantize="int8", output=tmp_path)
