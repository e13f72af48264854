"""COCO, YOLO and Pascal VOC data sets, as people and their tools write them."""

import json
from typing import Any

import numpy as np
import pytest
from annotated_trees import encoded, load_annotated, shape_image

from edgecv.core.data import SPLITS, Dataset
from edgecv.core.errors import InputError
from edgecv.core.targets import NO_BOX, kinds_of, with_targets

pytestmark = pytest.mark.quick

SHAPE = (30, 40, 3)
NAMES = ("even", "odd")
Files = dict[str, bytes]


def image(number: int) -> bytes:
    return encoded(shape_image(number)[0], "JPEG", quality=95)


def rows_of(data: Dataset) -> int:
    return sum(len(data.split(name)) for name in SPLITS)


def check(data: Dataset, first: int = 0) -> None:
    """Check that each box lies on the bright rectangle of its image, and says its class."""
    assert data.class_names[first:] == NAMES
    for name in SPLITS:
        split = data.split(name)
        for pixels, labels in zip(split.images, split.labels, strict=True):
            boxes = labels["boxes"][labels["boxes"][:, 0] != NO_BOX]
            bright = pixels[..., 0] > 120
            if not len(boxes):
                continue
            assert len(boxes) == 1
            kind, left, top, right, bottom = boxes[0]
            rows, columns = (np.flatnonzero(bright.any(axis=axis)) for axis in (1, 0))
            drawn = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            np.testing.assert_allclose([left, top, right, bottom], drawn, atol=0.6)
            assert kind - first == int(pixels[..., 0][bright].mean() > 210)
            if "mask" in labels.dtype.names:
                assert ((labels["mask"] == kind + 1) == bright).mean() > 0.995
            if "keypoints" in labels.dtype.names:
                np.testing.assert_allclose(labels["keypoints"][0], [left, top, 1], atol=0.01)


def coco(numbers: Any, polygons: bool = True, points: bool = False, **more: Any) -> dict[str, Any]:
    images, objects = [], []
    for number in numbers:
        left, top, right, bottom = shape_image(number)[1]
        images.append({"id": number, "file_name": f"{number}.jpg", "width": 40, "height": 30})
        each: dict[str, Any] = {
            "id": number,
            "image_id": number,
            "category_id": 1 + 2 * (number % 2),
            "bbox": [left, top, right - left, bottom - top],
            "area": (right - left) * (bottom - top),
            "iscrowd": 0,
        }
        corners = [left, top, right, top, right, bottom, left, bottom]
        each |= {"segmentation": [corners]} if polygons else {}
        each |= {"keypoints": [left, top, 2], "num_keypoints": 1} if points else {}
        objects.append(each)
    categories = [{"id": 3, "name": "odd"}, {"id": 1, "name": "even", "supercategory": "all"}]
    return {"info": {}, "images": images, "annotations": objects, "categories": categories, **more}


def coco_tree(content: Any = None, name: str = "annotations/instances_default.json") -> Files:
    files = {f"images/{number}.jpg": image(number) for number in range(24)}
    return files | {name: json.dumps(content or coco(range(24))).encode()}


def test_coco_of_one_file(make_tree: Any) -> None:
    path = make_tree(coco_tree())
    data = load_annotated(path, "coco")
    assert kinds_of(data.test.labels) == ("boxes", "mask")
    assert [len(data.split(name)) for name in SPLITS] == [16, 3, 1, 4]
    check(data)
    assert with_targets(data, "mask", "segmentation").class_names == ("background", *NAMES)
    check(load_annotated(path / "annotations" / "instances_default.json", "coco"))


def test_coco_as_it_is_published(make_tree: Any) -> None:
    files = {}
    for split, numbers in (("train", range(18)), ("val", range(18, 24))):
        files |= {f"{split}2017/{number}.jpg": image(number) for number in numbers}
        for group in ("instances", "person_keypoints"):
            content = coco(numbers, polygons=False)
            files[f"annotations/{group}_{split}2017.json"] = json.dumps(content).encode()
        files[f"annotations/captions_{split}2017.json"] = b'{"images": [], "annotations": []}'
    data = load_annotated(make_tree(files), "coco")
    assert [len(data.split(name)) for name in SPLITS] == [15, 2, 1, 6]
    check(data)
    assert "taken for the test split" in " ".join(data.notes)
    assert "not read: annotations/person_keypoints_train2017.json" in " ".join(data.notes)


def test_coco_as_roboflow_exports_it(make_tree: Any) -> None:
    files = {}
    for split, numbers in (("train", range(14)), ("valid", range(14, 18)), ("test", range(18, 24))):
        files |= {f"{split}/{number}.jpg": image(number) for number in numbers}
        content = coco(numbers)
        content["categories"].append({"id": 0, "name": "shapes", "supercategory": "none"})
        files[f"{split}/_annotations.coco.json"] = json.dumps(content).encode()
    data = load_annotated(make_tree(files), "coco")
    assert [len(data.split(name)) for name in SPLITS] == [12, 2, 4, 6]
    check(data, first=1)
    assert "no test image has shapes" in with_targets(data, "boxes", "detection").notes[-1]


def test_coco_with_keypoints_crowds_run_lengths_and_empty_images(make_tree: Any) -> None:
    content = coco(range(24), points=True)
    for each in content["annotations"][:8]:  # down the columns, outside and inside in turns
        left, top, right, bottom = shape_image(each["image_id"])[1]
        inside = np.zeros((30, 40), np.uint8)
        inside[top:bottom, left:right] = 1
        flat = np.concatenate([[0], inside.T.ravel(), [2]])
        ends = np.flatnonzero(np.diff(flat))
        counts = np.diff([0, *ends]).tolist()
        each["segmentation"] = {"size": [30, 40], "counts": counts}
    crowd = {"image_id": 0, "category_id": 1, "bbox": [0, 0, 40, 30], "iscrowd": 1}
    content["annotations"].append(crowd | {"segmentation": {"counts": [0, 1200]}})
    content["images"].append({"id": 99, "file_name": "99.jpg", "width": 40, "height": 30})
    dark = encoded(np.full((30, 40, 3), 9, np.uint8), "JPEG")
    data = load_annotated(make_tree(coco_tree(content) | {"images/99.jpg": dark}), "coco")
    assert kinds_of(data.test.labels) == ("boxes", "mask", "keypoints")
    assert "1 region of crowds was not read as boxes" in " ".join(data.notes)
    whole = [data.split(name).labels for name in SPLITS]
    assert sum(int((each["boxes"][:, 0, 0] == NO_BOX).sum()) for each in whole) == 1
    assert sum(int((each["mask"] == 255).any(axis=(1, 2)).sum()) for each in whole) == 1


def test_an_object_of_coco_without_a_box_has_that_of_its_polygon(make_tree: Any) -> None:
    content = coco(range(24))
    for each in content["annotations"][::2]:
        del each["bbox"]
    data = load_annotated(make_tree(coco_tree(content)), "coco")
    check(data)
    whole = [data.split(name).labels["boxes"] for name in SPLITS]
    assert all((each[:, :, 0] != NO_BOX).all() for each in whole)
    content["annotations"][0]["segmentation"] = {"counts": [0, 1200]}
    data = load_annotated(make_tree(coco_tree(content), "runs"), "coco")
    assert "1 object without a box was not read as boxes" in data.notes


@pytest.mark.parametrize("count", [254, 255, 300])
def test_more_classes_than_a_mask_holds_have_boxes_alone(make_tree: Any, count: int) -> None:
    """Class 255 was counted nowhere, and 300 ended in an internal error."""
    content = coco(range(24))
    more = [{"id": 10 + number, "name": str(number)} for number in range(count - 2)]
    content["categories"] += more
    content["annotations"][0]["category_id"] = more[-1]["id"]
    names = "\n".join(map(str, range(count))).encode()
    yolo = yolo_tree("polygon") | {"classes.txt": names}
    yolo["labels/3.txt"] = yolo["labels/3.txt"].replace(b"1 ", f"{count - 1} ".encode(), 1)
    for files, kind in ((coco_tree(content), "coco"), (yolo, "yolo")):
        data = load_annotated(make_tree(files, kind), kind)
        note = f"masks were not read: they hold 254 classes, there are {count}"
        assert (note in data.notes) == (count > 254)
        assert kinds_of(data.test.labels) == ("boxes", *["mask"] * (count == 254))


def changed(place: int, **values: Any) -> Any:
    def change(content: dict[str, Any]) -> None:
        content["annotations"][place] |= values

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (changed(3, bbox=[0, 0, 60, 30]), "images/3.jpg (box 1 reaches out of its image of 40x30"),
        (changed(3, bbox=[5, 5, 0, 4]), "images/3.jpg (box 1 has no size"),
        (changed(3, bbox=[5, 5, 4]), "images/3.jpg (a box has not four numbers"),
        (changed(3, category_id=2), "images/3.jpg (an object has the category 2"),
        (changed(3, keypoints=[1, 2, 3, 4]), "keypoints are not x, y and visibility each"),
        (changed(3, segmentation=[[1, 2, 3]]), "a polygon has not three corners"),
        (changed(3, segmentation={"counts": [4, 4]}), "the run lengths of a mask are not those"),
        (changed(3, segmentation={"counts": "o" * 20}), "the run lengths of a mask are no"),
        (lambda c: c["images"][3].update(width=41), "it is 40x30, its annotations are of 41x30"),
        (lambda c: c["images"][3].update(file_name="x.jpg"), "x.jpg (there is no such file"),
        (lambda c: c["images"][3].update(file_name="../../3.jpg"), "../../3.jpg (there is no such"),
    ],
)  # fmt: skip
def test_wrong_objects_of_coco_are_refused_or_skipped(
    make_tree: Any, change: Any, reason: str
) -> None:
    content = coco(range(24))
    change(content)
    path = make_tree(coco_tree(content))
    with pytest.raises(InputError, match="cannot be used: ") as caught:
        load_annotated(path, "coco")
    assert reason in str(caught.value)
    assert rows_of(load_annotated(path, "coco", skip_bad_images=True)) == 23


def test_an_image_that_coco_does_not_name_is_refused(make_tree: Any) -> None:
    path = make_tree(coco_tree() | {"images/other.jpg": image(30)})
    with pytest.raises(InputError, match=r"images/other.jpg \(no annotation names it\)"):
        load_annotated(path, "coco")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ('{"images": [], "annotations": [], "categories": []}', "categories: list should have"),
        ('{"images": [{"id": 1}], "annotations": [], "categories": []}', "images.0.file_name: fi"),
        (
            '{"images": [], "annotations": ' + "[" * 99 + "]" * 99 + ', "categories": []}',
            "nests to",
        ),
        ('{"images": [], "annotations": [], "categories": [', "instances_default.json"),
        (json.dumps(coco([1]) | {"images": []}), "has objects of the image 1"),
    ],
)
def test_wrong_files_of_coco_are_refused(make_tree: Any, content: str, part: str) -> None:
    path = make_tree(coco_tree() | {"annotations/instances_default.json": content.encode()})
    with pytest.raises(InputError) as caught:
        load_annotated(path, "coco")
    assert part in str(caught.value)


def yolo_line(number: int, kind: str = "box") -> str:
    left, top, right, bottom = shape_image(number)[1]
    x, y, width, height = (
        (left + right) / 80,
        (top + bottom) / 60,
        (right - left) / 40,
        (bottom - top) / 30,
    )
    if kind == "polygon":
        corners = [left, top, right, top, right, bottom, left, bottom]
        ends = [value / (30 if place % 2 else 40) for place, value in enumerate(corners)]
    else:
        ends = [x, y, width, height]
        ends += [left / 40, top / 30, 2] if kind == "pose" else []
    return " ".join(
        f"{value:.6f}" if place else f"{value}" for place, value in enumerate([number % 2, *ends])
    )


def yolo_tree(
    kind: str = "box",
    picture: str = "images/{}.jpg",
    label: str = "labels/{}.txt",
    numbers: Any = range(24),
) -> Files:
    files = {picture.format(number): image(number) for number in numbers}
    return files | {label.format(n): f"{yolo_line(n, kind)}\n".encode() for n in numbers}


YAML = b"""# Roboflow
train: ../train/images
val: ../valid/images
test: ../test/images

nc: 2
names: ['even', 'odd']
"""


def test_yolo_as_roboflow_exports_it(make_tree: Any) -> None:
    files = {"data.yaml": YAML, "README.dataset.txt": b"# shapes\n"}
    for split, numbers in (("train", range(14)), ("valid", range(14, 18)), ("test", range(18, 24))):
        files |= yolo_tree("box", f"{split}/images/{{}}.JPG", f"{split}/labels/{{}}.txt", numbers)
    files["train/labels/3.txt"] = b""
    del files["train/labels/4.txt"]
    data = load_annotated(make_tree(files), "yolo")
    assert [len(data.split(name)) for name in SPLITS] == [12, 2, 4, 6]
    check(data)
    assert "1 image without a text file: taken as without objects" in data.notes


def test_yolo_as_ultralytics_has_it(make_tree: Any) -> None:
    yaml = b"path: ../datasets/shapes\ntrain: images/day\nval: images/night\ntest: # no\n"
    files: Files = {"shapes.yaml": yaml + b"names:\n  0: even\n  1: odd\n"}
    for split, numbers in (("day", range(18)), ("night", range(18, 24))):
        files |= yolo_tree(
            "polygon", f"images/{split}/{{}}.jpg", f"labels/{split}/{{}}.txt", numbers
        )
    data = load_annotated(make_tree(files), "yolo")
    assert [len(data.split(name)) for name in SPLITS] == [15, 2, 1, 6]
    assert kinds_of(data.test.labels) == ("boxes", "mask")
    check(data)


def test_yolo_with_boxes_beside_polygons_says_that_masks_are_not_read(make_tree: Any) -> None:
    files = yolo_tree("polygon") | {"labels/3.txt": yolo_line(3).encode()}
    data = load_annotated(make_tree(files), "yolo")
    assert kinds_of(data.test.labels) == ("boxes",)
    assert "masks were not read: 1 object without any" in data.notes


def test_yolo_with_keypoints_and_a_list_of_images(make_tree: Any) -> None:
    yaml = b"train: /home/me/shapes/train.txt\nval: /home/me/shapes/val.txt\n"
    yaml += b"kpt_shape: [1, 3]\nnames: [even, odd]\n"
    lists = {
        "train.txt": "\n".join(f"/home/me/shapes/images/{n}.jpg" for n in range(18)).encode(),
        "val.txt": "\n".join(f"./images/{n}.jpg" for n in range(18, 24)).encode(),
    }
    data = load_annotated(make_tree(yolo_tree("pose") | {"data.yaml": yaml} | lists), "yolo")
    assert kinds_of(data.test.labels) == ("boxes", "keypoints")
    assert len(data.test) == 6
    check(data)


def test_yolo_as_labelimg_writes_it(make_tree: Any) -> None:
    files = yolo_tree("box", "{}.jpg", "{}.txt") | {"classes.txt": b"even\r\nodd\r\n"}
    data = load_annotated(make_tree(files), "yolo")
    assert [len(data.split(name)) for name in SPLITS] == [16, 3, 1, 4]
    check(data)
    assert load_annotated(make_tree(yolo_tree(), "plain"), "yolo").class_names == ("0", "1")


def test_a_yaml_with_the_same_images_for_all_splits(make_tree: Any) -> None:
    yaml = b"train: images\nval: images\ntest: elsewhere\nnames: [even, odd]\n"
    data = load_annotated(make_tree(yolo_tree() | {"data.yaml": yaml}), "yolo")
    assert [len(data.split(name)) for name in SPLITS] == [16, 3, 1, 4]
    assert "the .yaml names images of another split for validation again: not taken" in data.notes
    assert "there are no images of test: elsewhere, as its .yaml has it" in data.notes


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"0 0.5 0.5 0.9 nothing", 'its line 1 is "0 0.5 0.5 0.9 nothing"'),
        (b"2 0.5 0.5 0.2 0.2", "its line 1 has the class 2, which is not there"),
        (b"0 0.9 0.5 0.6 0.2", "box 1 reaches out of its image of 40x30"),
        (b"0 20 15 10 10", "box 1 reaches out of its image"),
        (b"0 0.5 0.5 0 0.2", "box 1 has no size"),
        (b"0 0.5 0.5 nan 0.2", "its line 1 has what is no number"),
        (b"0 0.5", "its line 1 has 2 numbers"),
    ],
)
def test_wrong_lines_of_yolo_are_refused_or_skipped(
    make_tree: Any, line: bytes, reason: str
) -> None:
    path = make_tree(yolo_tree() | {"labels/3.txt": line, "classes.txt": b"even\nodd"})
    with pytest.raises(InputError, match=r"1 image cannot be used: images/3\.jpg") as caught:
        load_annotated(path, "yolo")
    assert reason in str(caught.value)
    assert rows_of(load_annotated(path, "yolo", skip_bad_images=True)) == 23


def test_a_text_file_of_no_image_is_refused(make_tree: Any) -> None:
    files = yolo_tree() | {"labels/99.txt": b"0 0.5 0.5 0.1 0.1"}
    with pytest.raises(InputError, match=r"labels/99.txt \(it belongs to no image\)"):
        load_annotated(make_tree(files), "yolo")


@pytest.mark.parametrize(
    ("yaml", "part"),
    [
        (b"names: {1: a, 2: b}", "names are not numbered from 0 on"),
        (b"names: [a\n", "data.yaml: while parsing"),
        (b"names: {0: a, x: b}", "data.yaml: names are not numbered from 0 on"),
        (b"names: !!bool maybe", "data.yaml: 'maybe'"),
        (b"names: !!int ''", "data.yaml: string index out of range"),
        (b"names: !!timestamp x", "data.yaml: "),
        (b"a: &a [names]\nnames: *a", "holds an alias"),
        (b"names: !!python/object/apply:os.system [touch marker]", "could not determine a constr"),
        (b"- names", "is no table"),
        (b"names: [a, b]\nkpt_shape: [-1, 3]", "kpt_shape is [-1, 3]"),
        (b"names: " + b"[" * 3000, "data.yaml"),
    ],
)
def test_wrong_yaml_is_refused(make_tree: Any, yaml: bytes, part: str) -> None:
    path = make_tree(yolo_tree() | {"data.yaml": yaml})
    with pytest.raises(InputError) as caught:
        load_annotated(path, "yolo")
    assert part in str(caught.value)


def voc_xml(number: int, first: int = 1, name: str = "", more: str = "") -> bytes:
    left, top, right, bottom = shape_image(number)[1]
    return f"""<annotation><folder>VOC2012</folder><filename>{name or number}.jpg</filename>
    <size><width>40</width><height>30</height><depth>3</depth></size>{more}
    <object><name>{NAMES[number % 2]}</name><pose>Left</pose><difficult>0</difficult><bndbox>
    <xmin>{left + first}</xmin><ymin>{top + first}</ymin><xmax>{right}</xmax><ymax>{bottom}.0</ymax>
    </bndbox><part><name>head</name></part></object></annotation>""".encode()


def voc_tree(
    first: int = 1, picture: str = "JPEGImages/{}.jpg", xml: str = "Annotations/{}.xml"
) -> Files:
    files = {picture.format(number): image(number) for number in range(24)}
    return files | {xml.format(number): voc_xml(number, first) for number in range(24)}


@pytest.mark.parametrize(
    "place", [("JPEGImages/{}.jpg", "Annotations/{}.xml"), ("{}.JPG", "{}.xml")]
)
@pytest.mark.parametrize("first", [0, 1])
def test_voc_counts_from_one_unless_an_edge_is_0(make_tree: Any, place: Any, first: int) -> None:
    files = voc_tree(first, *place)
    if first == 0:
        assert any(0 in shape_image(number)[1] for number in range(24))
    data = load_annotated(make_tree(files), "voc")
    assert kinds_of(data.test.labels) == ("boxes",)
    check(data)


def test_voc_with_lists(make_tree: Any) -> None:
    lists = {
        "ImageSets/Main/train.txt": b"0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n",
        "ImageSets/Main/val.txt": b"12\r\n13\r\n",
        "ImageSets/Main/test.txt": b"14 1\n15 -1\n16 1\n",
        "ImageSets/Main/odd_train.txt": b"0 -1\n1 1\n",
    }
    top = {f"VOCdevkit/VOC2012/{name}": content for name, content in (voc_tree() | lists).items()}
    path = make_tree(top)
    data = load_annotated(path, "voc")
    assert [len(data.split(name)) for name in SPLITS] == [11, 1, 2, 3]
    check(data)
    (path / "VOCdevkit/VOC2012/ImageSets/Main/test.txt").write_text("14\n15\n99\n")
    with pytest.raises(InputError, match=r"99 \(a list names it, and it has no .xml\)"):
        load_annotated(path, "voc")


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (voc_xml(3).replace(b"<xmin>", b"<xmin>a"), "its xmin is 'a"),
        (voc_xml(3).replace(b"<width>40", b"<width>400"), "its annotations are of 400x30"),
        (voc_xml(3)[:-20], "it is no XML"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + voc_xml(3, more="<x>&b;</x>"), "document type"),
        ("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>".encode("utf-16"), "document type"),
        (b"<annotation>" * 40_000, "it is no XML"),
        (b"<a/>", "it holds a, not annotation"),
        (voc_xml(3).replace(b"<name>odd", b"<name>"), "its object 1 has no name"),
        (b" " * 1_000_001, "larger than 1 MB"),
    ],
)  # fmt: skip
def test_wrong_xml_is_refused_or_skipped(make_tree: Any, xml: bytes, reason: str) -> None:
    path = make_tree(voc_tree() | {"Annotations/3.xml": xml})
    with pytest.raises(InputError, match=r"cannot be used: JPEGImages/3.jpg") as caught:
        load_annotated(path, "voc")
    assert reason in str(caught.value)
    assert rows_of(load_annotated(path, "voc", skip_bad_images=True)) == 23


def test_images_without_xml_and_xml_without_images_are_refused(make_tree: Any) -> None:
    files = voc_tree()
    del files["Annotations/3.xml"], files["JPEGImages/4.jpg"]
    with pytest.raises(InputError, match="2 images cannot be used") as caught:
        load_annotated(make_tree(files), "voc")
    assert "JPEGImages/3.jpg (no annotation names it)" in str(caught.value)
    assert "Annotations/4.xml is of no image" in str(caught.value)


def test_a_crop_cuts_boxes_and_says_it(make_tree: Any) -> None:
    data = load_annotated(make_tree(voc_tree()), "voc", (16, 8, 3), resize="crop")
    cut = next(note for note in data.notes if note.startswith("boxes that --resize crop cut off"))
    boxes = [int((data.split(n).labels["boxes"][:, 0, 0] != NO_BOX).sum()) for n in SPLITS]
    assert sum(boxes) == 24 - int(cut.split()[-1])
