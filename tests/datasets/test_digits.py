"""The digits need no network, and every run reports on the same test images."""

from pathlib import Path

import pytest

from edgecv.core.data import SPLITS, Dataset
from edgecv.core.errors import InputError
from edgecv.datasets.digits import Digits

pytestmark = pytest.mark.quick


def load(shape: tuple[int, int, int] = (32, 32, 3), seed: int = 0) -> Dataset:
    return Digits().load(shape, seed, lambda done, total: None)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGECV_CACHE_DIR", str(tmp_path_factory.mktemp("digits")))
        return load()


def test_they_are_split_and_enlarged(digits: Dataset) -> None:
    assert digits.name == "digits"
    assert digits.class_names == tuple("0123456789")
    assert digits.image_shape == (32, 32, 3)
    sizes = {name: len(digits.split(name)) for name in SPLITS}
    assert sum(sizes.values()) == 1797
    assert sizes == {"train": 1010, "calibration": 202, "validation": 135, "test": 450}
    assert digits.notes == ("handwritten digits of 8x8 pixels were enlarged to 32x32",)
    images = digits.train.images[:]
    assert images.max() > 240
    assert images.min() == 0
    assert not (images[..., :1] != images).any()


def test_the_test_split_is_the_same_for_every_seed(digits: Dataset) -> None:
    other = load(seed=1)
    assert other.test.sha256 == digits.test.sha256
    assert other.train.sha256 != digits.train.sha256


def test_other_shapes() -> None:
    assert load((28, 20, 1)).image_shape == (28, 20, 1)
    assert load((8, 8, 1)).notes == (), "nothing was done to them"
    small = load((4, 16, 1)).notes
    assert small == ("handwritten digits of 8x8 pixels were resized to 4x16",)
    with pytest.raises(InputError, match="takes 4 channels"):
        load((32, 32, 4))


def test_they_are_at_no_path(tmp_path: Path) -> None:
    assert not Digits.accepts(tmp_path)
    with pytest.raises(InputError, match="--data digits"):
        Digits.at(tmp_path)


def test_writing_is_not_to_be_mirrored() -> None:
    assert not Digits.mirrors
