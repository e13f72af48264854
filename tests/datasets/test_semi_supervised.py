"""Images without labels beside a data set: decoded to its shape, without what is judged."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bars import bars
from PIL import Image

from edgecv.core.data import Dataset
from edgecv.core.errors import InputError
from edgecv.core.images import ImageRows
from edgecv.core.preprocessing import NAMED
from edgecv.datasets.semi_supervised import FurtherImages, read_further

DATA = Dataset(
    "bars", ("top", "bottom"), *(bars(count, count, (8, 8, 1)) for count in (20, 6, 10, 12))
)
OTHERS = bars(30, 99, (8, 8, 1)).images[:]


def read(path: Path, data: Dataset = DATA, **options: Any) -> FurtherImages:
    given: dict[str, Any] = {"resize": "stretch", "skip_bad_images": False, **options}
    return read_further(str(path), data, lambda done, total: None, **given)


def write(folder: Path, images: Any) -> Path:
    for number, image in enumerate(images):
        (folder / f"{number % 2}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(folder / f"{number % 2}" / f"{number:03d}.png")
    return folder


@pytest.mark.quick
def test_images_that_are_judged_are_left_out_of_a_folder_and_of_an_array(tmp_path: Path) -> None:
    judged = np.concatenate([DATA.test.images[:3], DATA.validation.images[:2]])
    mixed = np.concatenate([OTHERS[:10], judged, OTHERS[10:]])
    np.save(tmp_path / "all.npy", mixed)
    found = read(tmp_path / "all.npy")
    assert isinstance(found.images, ImageRows)
    assert found.images.store.file == tmp_path / "all.npy", "mapped, not in memory"
    np.testing.assert_array_equal(found.images[:], OTHERS)
    assert found.left_out == 5
    np.save(tmp_path / "clean.npy", OTHERS)
    assert read(tmp_path / "clean.npy").sha256 == found.sha256
    folder = read(write(tmp_path / "files", mixed))
    assert (len(folder.images), folder.left_out) == (30, 5)
    assert sorted(each.tobytes() for each in folder.images) == sorted(
        each.tobytes() for each in OTHERS
    )


@pytest.mark.quick
def test_training_images_may_be_among_them(tmp_path: Path) -> None:
    np.save(tmp_path / "train.npy", DATA.train.images[:])
    assert read(tmp_path / "train.npy").left_out == 0


@pytest.mark.quick
def test_what_cannot_be_used_is_refused(tmp_path: Path) -> None:
    def refusal(path: Path, data: Dataset = DATA) -> str:
        with pytest.raises(InputError) as caught:
            read(path, data)
        return str(caught.value)

    (tmp_path / "empty").mkdir()
    assert "holds no image" in refusal(tmp_path / "empty")
    np.save(tmp_path / "rgb.npy", np.zeros((3, 8, 8, 3), np.uint8))
    assert "holds images of 8x8x3; accepted: 8x8x1" in refusal(tmp_path / "rgb.npy")
    np.save(tmp_path / "float.npy", OTHERS.astype(np.float32))
    assert "an array of float32" in refusal(tmp_path / "float.npy")
    (tmp_path / "text.npy").write_text("no array")
    assert "cannot be read" in refusal(tmp_path / "text.npy")
    np.savez(tmp_path / "images.npz", OTHERS)
    (tmp_path / "archive.npy").write_bytes(b"PK\x03\x04 cut")
    for name in ("images.npz", "archive.npy"):
        assert "accepted: a folder of images, or a .npy file" in refusal(tmp_path / name)
    np.save(tmp_path / "none.npy", OTHERS[:0])
    assert "holds no image" in refusal(tmp_path / "none.npy")
    np.save(tmp_path / "test.npy", DATA.test.images[:])
    assert "all are test or validation images" in refusal(tmp_path / "test.npy")
    np.save(tmp_path / "good.npy", OTHERS)
    numbers = replace(DATA, meaning=NAMED["0..1"])
    assert "the data holds other numbers" in refusal(tmp_path / "good.npy", numbers)
    folder = write(tmp_path / "bad", OTHERS[:4])
    (folder / "0" / "broken.png").write_bytes(b"no picture")
    assert "broken.png" in refusal(folder)
    assert len(read(folder, skip_bad_images=True).images) == 4
