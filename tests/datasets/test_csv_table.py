"""CSV files of images and their targets, as people write them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotated_trees import encoded, load_annotated, shape_image

from edgecv.core.data import SPLITS, Dataset
from edgecv.core.errors import InputError
from edgecv.core.targets import KINDS, kinds_of, with_targets
from edgecv.datasets.class_folders import ClassFolders
from edgecv.datasets.csv_table import CsvTable
from edgecv.datasets.resolve import resolve
from edgecv.datasets.unlabelled import UnlabelledImages

pytestmark = pytest.mark.quick

SHAPE = (30, 40, 3)
IMAGES = {f"photos/IMG {n}.JPG": encoded(shape_image(n)[0], "JPEG") for n in range(24)}
PLAIN = [f"photos/IMG {n}.JPG,{n % 7 + 0.5},{n}" for n in range(24)]


def table(header: str, rows: list[str], **more: bytes) -> dict[str, bytes]:
    return {**IMAGES, "labels.csv": "\n".join([header, *rows]).encode(), **more}


def rows_of(data: Dataset) -> int:
    return sum(len(data.split(name)) for name in SPLITS)


@pytest.mark.parametrize(
    ("header", "row", "kinds"),
    [
        ("file,age,height", lambda n: f"photos/IMG {n}.JPG,{n},{n / 7}", {"numbers"}),
        ("filename,label", lambda n: f"IMG {n}.JPG,{'cat dog'.split()[n % 2]}", {"class"}),
        ("image_id,label", lambda n: f"IMG {n},{n % 3 + 1}", {"class"}),
        ("image_id,label", lambda n: f"IMG {n},{'²³'[n % 2]}", {"class"}),
        ("file,mask", lambda n: f"IMG {n}.JPG,{'with none'.split()[n % 2]}", {"class"}),
        ("image,ok", lambda n: f"IMG {n}.jpg,{n % 2}", {"class"}),
        ("path,sea,sun", lambda n: f"C:\\Users\\me\\photos\\IMG {n}.JPG,{n % 2},1", {"classes"}),
        (";image;kind", lambda n: f"{n};.\\photos\\img {n}.jpg;{'ab'[n % 2]}", {"class"}),
        (
            "file,eye_x,eye_y,nose_x,nose_y",
            lambda n: f"photos/IMG {n}.JPG,1,2,{'' if n % 2 else 3},{'' if n % 2 else 4.5}",
            {"keypoints"},
        ),
        ("file,kind,age", lambda n: f"photos/IMG {n}.JPG,k{n % 2},{n}", {"class", "numbers"}),
    ],
)  # fmt: skip
def test_columns_say_the_kinds(make_tree: Any, header: str, row: Any, kinds: set[str]) -> None:
    data = load_annotated(make_tree(table(header, [row(n) for n in range(24)])), "csv")
    assert set(kinds_of(data.test.labels)) == kinds
    assert rows_of(data) == 24
    assert "labels.csv holds for each image: " in " ".join(data.notes)


def test_values_stay_with_their_images(make_tree: Any) -> None:
    rows = [f"photos/IMG {n}.JPG,{shape_image(n)[1][0]},{shape_image(n)[1][1]}" for n in range(24)]
    data = load_annotated(make_tree(table("file,corner_x,corner_y", rows)) / "labels.csv", "csv")
    assert data.target_names == {"keypoints": ("corner",)}
    for image, points in zip(data.train.images, data.train.labels["keypoints"], strict=True):
        x, y, is_visible = points[0].astype(int)
        bright = image[..., 0] > 120
        assert is_visible
        assert (bright.argmax() % 40, bright.argmax() // 40) == (x, y)


def test_boxes_have_a_row_each(make_tree: Any) -> None:
    rows = [
        ",".join(map(str, (f"IMG {n}.JPG", 40, 30, "ab"[n % 2], *shape_image(n)[1])))
        for n in range(23)
        for _ in range(1 + n % 2)
    ]
    rows.append("IMG 23.JPG,40,30,,,,,")
    header = "filename,width,height,class,xmin,ymin,xmax,ymax"
    data = load_annotated(make_tree(table(header, rows)), "csv")
    assert data.class_names == ("a", "b")
    counts = np.concatenate([data.split(n).labels["boxes"][:, :, 0] >= 0 for n in SPLITS]).sum(1)
    assert sorted(counts.tolist()) == [0, *[1] * 12, *[2] * 11]


def test_semicolons_decimal_commas_and_other_encodings(make_tree: Any) -> None:
    text = "Datei;Größe\n" + "\n".join(f"photos\\IMG {n}.JPG;{n},5" for n in range(24))
    data = load_annotated(make_tree({**IMAGES, "labels.csv": text.encode("cp1252")}), "csv")
    assert data.target_names == {"numbers": ("größe",)}
    values = np.concatenate([data.split(name).labels["numbers"][:, 0] for name in SPLITS])
    assert sorted(values.tolist()) == [n + 0.5 for n in range(24)]


def test_a_column_or_files_give_the_splits(make_tree: Any) -> None:
    names = ["train"] * 14 + ["valid"] * 4 + ["Test"] * 6
    rows = [f"{row},{name}" for row, name in zip(PLAIN, names, strict=True)]
    data = load_annotated(make_tree(table("file,age,size,split", rows)), "csv")
    assert [len(data.split(name)) for name in SPLITS] == [12, 2, 4, 6]
    files = {
        **IMAGES,
        "train.csv": "\n".join(["file,age,size", *PLAIN[:18]]).encode(),
        "test.csv": "\n".join(["file,age,size", *PLAIN[18:]]).encode(),
        "sample_submission.csv": b"file,age\nphotos/IMG 1.JPG,0",
    }
    data = load_annotated(make_tree(files, "two"), "csv")
    assert len(data.test) == 6
    assert "not read, because of other columns: sample_submission.csv" in data.notes


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({3: "photos/IMG 3.JPG,,3"}, "photos/IMG 3.JPG (its age is empty)"),
        ({3: "photos/IMG 3.JPG,n/a,3"}, 'IMG 3.JPG (its age is "n/a")'),
        ({3: "photos/IMG 3.JPG,nan,3"}, 'IMG 3.JPG (its age is "nan")'),
        ({3: "photos/IMG 99.JPG,1,3"}, "photos/IMG 99.JPG (there is no such file"),
        ({3: ""}, "photos/IMG 3.JPG (no annotation names it)"),
        ({3: PLAIN[3] + "\nphotos/IMG 3.JPG,9,9"}, "(its rows contradict each other)"),
        ({3: "../../IMG 3.JPG,1,3"}, "../../IMG 3.JPG (there is no such file"),
    ],
)  # fmt: skip
def test_wrong_rows_are_refused_or_skipped(
    make_tree: Any, change: dict[int, str], reason: str
) -> None:
    rows = [change.get(place, row) for place, row in enumerate(PLAIN)]
    path = make_tree(table("file,age,size", rows))
    with pytest.raises(InputError, match="cannot be used: ") as caught:
        load_annotated(path, "csv")
    assert reason in str(caught.value)
    data = load_annotated(path, "csv", skip_bad_images=True)
    assert rows_of(data) == 23
    assert any("left out with targets: " in note for note in data.notes)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("file,age\nno.jpg,1", "no column of labels.csv names an image file"),
        (
            "file,xmin,ymin,xmax,ymax,one,two\n"
            + "\n".join(f"IMG {n}.JPG,1,1,3,3,a,b" for n in range(24)),
            "2 columns of text",
        ),
        ("file,age\nphotos/IMG 1.JPG,1,2", "row 2 has 3 columns, the first row has 2"),
        ("file\nphotos/IMG 1.JPG", "holds no table"),
        ("", "holds no table"),
        ("\n".join(PLAIN), "the first row of labels.csv is of an image"),
        ("file,x\n" + '"' + "a" * 200_000, "is no CSV file"),
        (
            "file,age,usage\n"
            + "\n".join(
                f"IMG {n}.JPG,{n},{'Training PublicTest'.split()[n % 2]}" for n in range(24)
            ),
            'the column usage of labels.csv holds "PublicTest"',
        ),
        *(
            (
                f"file,{kind},city\n"
                + "\n".join(f"IMG {n}.JPG,{'ab'[n % 2]},{'cd'[n % 2]}" for n in range(24)),
                f"has 2 columns of text, and one is called {kind}",
            )
            for kind in KINDS
            if kind != "class"
        ),
        ("file,split\n" + "\n".join(f"IMG {n}.JPG,train" for n in range(24)), "has no targets"),
    ],
)
def test_wrong_tables_are_refused(make_tree: Any, text: str, part: str) -> None:
    path = make_tree({**IMAGES, "labels.csv": text.encode()})
    with pytest.raises(InputError) as caught:
        load_annotated(path / "labels.csv", "csv")
    assert part in str(caught.value)


def test_a_folder_without_a_table_is_refused(make_tree: Any) -> None:
    """A recipe may name the source; it was an error of max()."""
    path = make_tree(IMAGES)
    with pytest.raises(InputError, match=r"no \.csv or \.tsv is at the top of the folder"):
        CsvTable(path=str(path)).load(SHAPE, 0, lambda done, total: None)
    with pytest.raises(InputError, match="no folder in it holds an image"):
        ClassFolders(path=str(path / "photos")).load(SHAPE, 0, lambda done, total: None)


def test_a_class_in_one_split_alone_is_refused(make_tree: Any) -> None:
    rows = [f"IMG {n}.JPG,{n % 2},{int(n < 3)},{'test' if n > 17 else 'train'}" for n in range(24)]
    path = make_tree(table("file,sea,sun,split", rows))
    with pytest.raises(InputError, match=r"the class sun \(an image\) is in training images alone"):
        with_targets(load_annotated(path, "csv"), "classes", "multilabel")


def test_class_folders_with_a_table_beside_them_stay_class_folders(make_tree: Any) -> None:
    files = {f"{'ab'[n % 2]}/{n}.jpg": content for n, content in enumerate(IMAGES.values())}
    path = make_tree(files | {"labels.csv": b"file,label\na/0.jpg,a"})
    assert isinstance(resolve(str(path)), ClassFolders)


def test_a_table_beside_other_work_is_decoded_once(make_tree: Any, cache: Path) -> None:
    """A link of a virtual environment ended the command; each run of edgecv was other data."""
    path = make_tree(table("file,age,size", PLAIN))
    for name in ("venv/lib", "exported/run"):
        (path / name).mkdir(parents=True)
    (path / "venv/pyvenv.cfg").touch()
    (path / "venv/lib64").symlink_to("lib")
    (path / "link").symlink_to("labels.csv")
    load = CsvTable(path=str(path / "labels.csv")).load
    first = load(SHAPE, 0, lambda done, total: None)
    for name in ("report.json", "manifest.json"):
        (path / "exported/run" / name).touch()
    (path / "exported/run/worst.png").write_bytes(IMAGES["photos/IMG 1.JPG"])
    (path / "train.py").touch()
    assert load(SHAPE, 0, lambda done, total: None).test.sha256 == first.test.sha256
    assert len(list((cache / "decoded").iterdir())) == 1


def test_a_table_of_other_things_beside_images_is_no_data(make_tree: Any) -> None:
    images = {f"{number}.jpg": content for number, content in enumerate(IMAGES.values())}
    path = make_tree({**images, "expenses.csv": b"day,money\nmonday,3\n"})
    assert isinstance(resolve(str(path)), UnlabelledImages)
