"""A folder of images without labels is enough to quantize and to compare."""

from pathlib import Path
from typing import Any

import pytest
from small_images import load

from edgecv.core.data import UNKNOWN_LABEL
from edgecv.core.errors import InputError
from edgecv.datasets.resolve import resolve
from edgecv.datasets.unlabelled import UnlabelledImages
from edgecv.pipeline.recipe.from_flags import CompressOptions

pytestmark = pytest.mark.quick


@pytest.fixture
def pile(make_tree: Any, encode: Any) -> Path:
    files = {f"{number}.png": encode((number, 0, 0)) for number in range(20)}
    files |= {f"more/deep/{number}.png": encode((number, 9, 0)) for number in range(10)}
    folder: Path = make_tree({**files, "copy.png": files["0.png"], "notes.txt": b"hello"})
    return folder


def test_images_are_shared_between_calibration_and_test(pile: Path) -> None:
    data = load(resolve(str(pile)))
    assert (len(data.train), len(data.calibration), len(data.validation)) == (0, 10, 0)
    assert len(data.test) == 20
    assert not data.has_labels
    assert data.test_labels is None
    assert set(data.test.labels.tolist()) == {UNKNOWN_LABEL}
    seen = {image.tobytes() for split in (data.calibration, data.test) for image in split.images}
    assert len(seen) == 30
    notes = " ".join(data.notes)
    assert "1 image that was an exact copy of another was left out" in notes
    assert "1 file beside the images was not read" in notes
    assert "more was not taken for classes" in notes


def test_what_calibrates_depends_on_the_seed_alone(pile: Path) -> None:
    first, again, other = (load(UnlabelledImages(path=str(pile)), seed) for seed in (0, 0, 1))
    assert first.calibration.sha256 == again.calibration.sha256 != other.calibration.sha256


def test_a_folder_with_splits_has_labels(make_tree: Any, tree_files: Any) -> None:
    assert resolve(str(make_tree(tree_files()))).has_labels


def test_too_few_images_are_refused(make_tree: Any, encode: Any) -> None:
    folder = make_tree({f"{number}.png": encode((0, 0, 0)) for number in range(5)})
    with pytest.raises(InputError, match=r"holds 1 different image; accepted: at least 3"):
        load(resolve(str(folder)))


def test_a_bad_image_stops_or_is_skipped(pile: Path) -> None:
    (pile / "bad.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"bad\.png .*--skip-bad-images leaves them out"):
        load(resolve(str(pile)))
    data = load(resolve(str(pile), skip_bad_images=True))
    assert len(data.test) + len(data.calibration) == 30


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({}, "nothing can be trained on them; give a MODEL"),
        ({"model": "m.keras", "prune": "0.5"}, '"prune" cannot train on them'),
        ({"model": "m.keras", "max_drop": 1.0}, "max_drop_points cannot be judged"),
    ],
)
def test_what_needs_labels_is_refused_at_once(
    pile: Path, flags: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        CompressOptions(data=str(pile), **flags).to_recipe()
