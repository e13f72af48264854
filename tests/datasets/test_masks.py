"""Masks beside images, as people save them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from annotated_trees import encoded, load_annotated, shape_image
from PIL import Image

from edgecv.core.data import SPLITS
from edgecv.core.errors import InputError
from edgecv.core.targets import with_targets

pytestmark = pytest.mark.quick

SHAPE = (30, 40, 3)
COLOURS = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]], np.uint8)
Files = dict[str, bytes]


def classes_of(number: int) -> Any:
    """Make the mask of an image: 0, and 1 or 2 where the rectangle is, uint8 (30, 40)."""
    _, (left, top, right, bottom) = shape_image(number)
    mask = np.zeros((30, 40), np.uint8)
    mask[top:bottom, left:right] = 1 + number % 2
    return mask


def tree(
    save: Callable[[Any], bytes] = encoded,
    image: str = "images/{}.JPG",
    mask: str = "masks/{}.png",
    count: int = 24,
) -> Files:
    files = {}
    for number in range(count):
        files[image.format(number)] = encoded(shape_image(number)[0], "JPEG", quality=95)
        files[mask.format(number)] = save(classes_of(number))
    return files


def palette_png(mask: Any) -> bytes:
    image = Image.fromarray(mask, "P")
    image.putpalette(COLOURS.tobytes())
    return encoded(image)


def own_palette_png(mask: Any) -> bytes:
    """Save colours as a program does that keeps only those of each image."""
    return encoded(Image.fromarray(COLOURS[mask]).quantize(4))


@pytest.mark.parametrize(
    "save",
    [
        encoded,
        palette_png,
        own_palette_png,
        lambda mask: encoded(COLOURS[mask]),
        lambda mask: encoded(np.dstack([mask, mask, mask])),
        lambda mask: encoded(mask * 100),
        lambda mask: encoded(mask.astype(np.uint16)),
        lambda mask: encoded(mask.astype(np.uint16) * 300),
    ],
)
def test_numbers_colours_palettes_and_grey_levels(make_tree: Any, save: Any) -> None:
    data = load_annotated(make_tree(tree(save)), "masks")
    assert len(data.class_names) == 3
    assert [len(data.split(name)) for name in SPLITS] == [16, 3, 1, 4]
    for name in SPLITS:
        split = data.split(name)
        for image, mask in zip(split.images, split.labels["mask"], strict=True):
            bright = image[..., 0] > 130
            assert (bright == (mask > 0)).mean() > 0.99
            is_odd = image[..., 0][bright].mean() > 210
            odd = 2 if data.class_names[1] != "#008000" else 1  # Colours are in their own order.
            assert set(np.unique(mask)) == {0, odd if is_odd else 3 - odd}


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/{}.jpg", "masks/{}_mask.PNG"),
        ("train/images/{}.jpg", "train/masks/{}.png"),
        ("JPEGImages/{}.jpg", "SegmentationClass/{}.png"),
        ("data/imgs/a{}.jpg", "data/labels/a{}_L.png"),
    ],
)
def test_people_name_folders_and_masks_in_their_own_way(
    make_tree: Any, image: str, mask: str
) -> None:
    assert len(load_annotated(make_tree(tree(image=image, mask=mask)), "masks").test) == 4


def test_folders_give_the_splits(make_tree: Any) -> None:
    files = {}
    for first, split, count in ((0, "train", 12), (100, "val", 4), (200, "test", 6)):
        for number in range(first, first + count):
            files[f"images/{split}/{number}.jpg"] = encoded(shape_image(number)[0], "JPEG")
            files[f"masks/{split}/{number}.png"] = encoded(classes_of(number))
    data = load_annotated(make_tree(files), "masks")
    assert [len(data.split(name)) for name in SPLITS] == [11, 1, 4, 6]
    kept = {name: content for name, content in files.items() if "/test/" not in name}
    data = load_annotated(make_tree(kept, "two"), "masks")
    assert len(data.test) == 4
    assert "taken for the test split" in data.notes[0]


def test_files_name_the_classes(make_tree: Any) -> None:
    names = make_tree(tree() | {"classes.txt": b"\xef\xbb\xbfsky\r\nroad\r\ncar\r\n"})
    assert load_annotated(names, "masks").class_names == ("sky", "road", "car")
    colours = b"name,r,g,b\nroad,128,0,0\nsky,0,0,0\nnothing,9,9,9\ncar,0,128,0\n"
    files = tree(lambda mask: encoded(COLOURS[mask])) | {"class_dict.csv": colours}
    data = load_annotated(make_tree(files, "colours"), "masks")
    assert data.class_names == ("road", "sky", "nothing", "car")
    assert set(np.unique(data.train.labels["mask"])) == {0, 1, 3}
    assert "no test image has nothing" in with_targets(data, "mask", "segmentation").notes[-1]
    cvat = b"# label:color_rgb:parts:actions\nsky:0,0,0::\nroad:128,0,0::\ncar:0,128,0::\n"
    del files["class_dict.csv"]
    data = load_annotated(make_tree(files | {"labelmap.txt": cvat}, "cvat"), "masks")
    assert data.class_names == ("sky", "road", "car")


def test_255_is_no_class_and_255_alone_is_one(make_tree: Any) -> None:
    def bordered(mask: Any) -> bytes:
        mask[0] = 255
        return encoded(mask)

    data = load_annotated(make_tree(tree(bordered)), "masks")
    assert set(np.unique(data.train.labels["mask"])) == {0, 1, 2, 255}
    assert data.class_names == ("0", "1", "2")
    data = load_annotated(
        make_tree(tree(lambda mask: encoded((mask > 0).astype(np.uint8) * 255)), "two"), "masks"
    )
    assert set(np.unique(data.train.labels["mask"])) == {0, 1}
    assert "255 was taken for class 1" in " ".join(data.notes)


def test_65535_is_no_class_as_255_is(make_tree: Any) -> None:
    """Values beyond 255 were cut to it: two classes were one, or none."""

    def bordered(factor: int) -> Callable[[Any], bytes]:
        def save(mask: Any) -> bytes:
            deep = mask.astype(np.uint16) * factor
            deep[0] = 65535
            return encoded(deep)

        return save

    for factor, names in ((1, ("0", "1", "2")), (300, ("grey 0", "grey 300", "grey 600"))):
        data = load_annotated(make_tree(tree(bordered(factor)), f"by{factor}"), "masks")
        assert set(np.unique(data.train.labels["mask"])) == {0, 1, 2, 255}
        assert data.class_names == names
    colours = tree(lambda mask: encoded(COLOURS[mask]))
    path = make_tree(colours | {"masks/0.png": tree(bordered(300))["masks/0.png"]}, "both")
    with pytest.raises(InputError, match="holds numbers beyond 255, others hold colours"):
        load_annotated(path, "masks")


def test_grey_colours_are_named_by_their_level(make_tree: Any) -> None:
    path = make_tree(tree(lambda mask: encoded(np.dstack([mask * 127] * 3))))
    assert load_annotated(path, "masks").class_names == ("grey 0", "grey 127", "grey 254")


def test_more_names_than_a_mask_holds_are_refused(make_tree: Any) -> None:
    names = "\n".join(map(str, range(300))).encode()
    with pytest.raises(InputError, match="a file names 300 classes of masks; accepted: at most"):
        load_annotated(make_tree(tree() | {"classes.txt": names}), "masks")


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_masks_move_with_their_images(make_tree: Any, resize: str) -> None:
    data = load_annotated(make_tree(tree()), "masks", (64, 64, 3), resize=resize)
    for image, mask in zip(data.test.images, data.test.labels["mask"], strict=True):
        known = mask != 255
        assert ((image[..., 0] > 130) == (mask > 0))[known].mean() > 0.98
        assert known.all() == (resize != "pad")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"masks/3.png": None}, "images/3.JPG (it has no mask)"),
        ({"images/3.JPG": None}, "masks/3.png (it is the mask of no image)"),
        ({"masks/3.png": np.zeros((30, 39), np.uint8)}, "its mask is 39x30, the image is 40x30"),
        ({"masks/3.png": b"no image"}, "not a PNG"),
        ({"masks/3.png": np.full((30, 40), 7, np.uint8)}, "has the value 7, which is no class"),
        ({"images/3.JPG": b"no image"}, "not a PNG"),
    ],
)
def test_wrong_masks_are_refused_or_skipped(
    make_tree: Any, change: dict[str, Any], reason: str
) -> None:
    files: dict[str, Any] = tree() | {"classes.txt": b"sky\nroad\ncar"}
    for name, value in change.items():
        files[name] = encoded(value) if isinstance(value, np.ndarray) else value
    path = make_tree({name: content for name, content in files.items() if content is not None})
    with pytest.raises(InputError, match="1 image cannot be used: ") as caught:
        load_annotated(path, "masks")
    assert reason in str(caught.value)
    data = load_annotated(path, "masks", skip_bad_images=True)
    assert sum(len(data.split(name)) for name in SPLITS) == 23
    assert any("1 image that cannot be used was left out with targets" in n for n in data.notes)


def test_smoothed_colours_are_refused(make_tree: Any) -> None:
    def smoothed(mask: Any) -> bytes:
        return encoded(Image.fromarray(COLOURS[mask]).resize((80, 60)).resize((40, 30)))

    files = tree(lambda mask: encoded(COLOURS[mask]))
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    path = make_tree(files | {"masks/0.png": encoded(noise)})
    with pytest.raises(InputError, match=r"different colours.*class_dict\.csv"):
        load_annotated(path, "masks")


def test_masks_of_other_names_are_not_taken_for_a_class(make_tree: Any) -> None:
    path = make_tree(tree(image="images/photo{}.jpg", mask="masks/drawing{}.png"))
    with pytest.raises(InputError, match=r"no mask has the name of an image: images/photo0\.jpg"):
        load_annotated(path, "masks")


def test_masks_that_are_jpegs_are_refused(make_tree: Any) -> None:
    path = make_tree(tree(lambda mask: encoded(mask, "JPEG"), mask="masks/{}.jpg"))
    with pytest.raises(InputError, match=r"masks/0\.jpg.*not what was saved.*\.png or \.bmp"):
        load_annotated(path, "masks")
