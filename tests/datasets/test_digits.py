"""The digits need no network, and every run reports on the same test images."""

from pathlib import Path

import pytest

from edgecv.core.data import SPLITS, Dataset
from edgecv.core.errors import InputError
from edgecv.datasets.digits import Digits
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.shown_drop import check_drop_is_shown

pytestmark = pytest.mark.quick


def load(shape: tuple[int, int, int] = (32, 32, 3), seed: int = 0) -> Dataset:
    return Digits().load(shape, seed, lambda done, total: None)


def counts(data: Dataset) -> dict[str, int]:
    return {name: len(data.split(name)) for name in SPLITS}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGECV_CACHE_DIR", str(tmp_path_factory.mktemp("digits")))
        return load()


def test_they_are_split_and_enlarged(digits: Dataset) -> None:
    assert digits.name == "digits"
    assert digits.class_names == tuple("0123456789")
    assert digits.image_shape == (32, 32, 3)
    sizes = counts(digits)
    assert sum(sizes.values()) == 1797
    assert sizes == {"train": 1010, "calibration": 202, "validation": 135, "test": 450}
    assert digits.notes == ("handwritten digits of 8x8 pixels were enlarged to 32x32",)
    images = digits.train.images[:]
    assert images.max() > 240
    assert images.min() == 0
    assert not (images[..., :1] != images).any()


def test_the_fraction_that_a_small_drop_asks_for_is_enough(digits: Dataset) -> None:
    options = {"data": "digits", "max_drop": 2.0, "quantize": ("mixed",)}
    recipe = CompressOptions(**options).to_recipe()
    with pytest.raises(InputError, match=r"give a larger --max-drop, or --validation 0\.15$"):
        check_drop_is_shown(recipe, counts(digits))
    asked = CompressOptions(**options, validation=0.15).to_recipe()
    found = asked.data.load((32, 32, 3), 0, lambda done, total: None)
    assert len(found.validation) == 202
    check_drop_is_shown(asked, counts(found))


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
