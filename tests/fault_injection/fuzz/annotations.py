"""Files of annotations: each mutant stands among the good files of a small data set of its format.

The first byte of a mutant is the number of its format, and stays.
"""

import io
import json
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from .mutations import Random, of_bytes, of_text

IMAGES = 12
Files = dict[str, bytes]


def _png(pixels: object) -> bytes:
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).save(content, "PNG")
    return content.getvalue()


@cache
def data_sets() -> list[tuple[str, Files]]:
    """Return the file to mutate and all files of a data set of each format."""
    random = np.random.default_rng(0)
    images = {
        f"images/{number}.png": _png(random.integers(0, 256, (8, 8, 3), np.uint8))
        for number in range(IMAGES)
    }
    coco = {
        "images": [
            {"id": number, "file_name": f"{number}.png", "width": 8, "height": 8}
            for number in range(IMAGES)
        ],
        "annotations": [
            {
                "image_id": number,
                "category_id": 1 + number % 2,
                "bbox": [1, 1, 4, 5.5],
                "segmentation": [[1, 1, 5, 1, 5, 6]] if number % 3 else {"counts": [8, 3, 53]},
                "keypoints": [2, 2, 2],
                "iscrowd": 0,
            }
            for number in range(IMAGES)
        ],
        "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "plate"}],
    }
    yolo = {f"labels/{number}.txt": b"0 0.5 0.5 0.2 0.4 0.5 0.5 2\n" for number in range(IMAGES)}
    yaml = b"train: images\nval: other\nkpt_shape: [1, 3]\nnames:\n  0: cup\n  1: plate\n"
    xml = (
        "<annotation><filename>{0}.png</filename><size><width>8</width><height>8</height></size>"
        "<object><name>cup</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>5</xmax><ymax>6</ymax>"
        "</bndbox></object></annotation>"
    )
    voc = {f"Annotations/{number}.xml": xml.format(number).encode() for number in range(IMAGES)}
    mask = np.zeros((8, 8, 3), np.uint8)
    mask[2:5, 3:6] = (128, 0, 0)
    masks = {f"masks/{number}.png": _png(mask) for number in range(IMAGES)}
    rows = [f"{number}.png,{number % 2},{number / 3},1,2" for number in range(IMAGES)]
    table = "\n".join(["file,label,price,eye_x,eye_y", *rows]).encode()
    return [
        ("coco.json", {**images, "coco.json": json.dumps(coco).encode()}),
        ("labels/1.txt", {**images, **yolo, "data.yaml": yaml}),
        ("data.yaml", {**images, **yolo, "data.yaml": yaml}),
        ("Annotations/1.xml", {**images, **voc}),
        ("masks/1.png", {**images, **masks}),
        (
            "class_dict.csv",
            {**images, **masks, "class_dict.csv": b"name,r,g,b\na,0,0,0\nb,128,0,0"},
        ),
        ("table.csv", {**images, "table.csv": table}),
    ]


def seeds() -> list[bytes]:
    """Return the good file of each format behind its number."""
    return [bytes([place]) + files[name] for place, (name, files) in enumerate(data_sets())]


def of_annotations(content: bytes, seeds: Sequence[bytes], chance: Random) -> bytes:
    """Mutate a text as a text, a mask as bytes."""
    others = [seed[1:] for seed in seeds if seed[0] == content[0]]
    is_mask = content[1:].startswith(b"\x89PNG")
    return content[:1] + (of_bytes if is_mask else of_text)(content[1:], others, chance)


def read_annotations(path: Path) -> object:
    """Load the data set with the mutant in it, and take each kind of targets."""
    from edgecv.core.targets import kinds_of, with_targets
    from edgecv.datasets.resolve import resolve

    content = path.read_bytes()
    name, files = data_sets()[content[0]]
    with tempfile.TemporaryDirectory() as folder:
        for each, good in {**files, name: content[1:]}.items():
            place = Path(folder) / each
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(good)
        data = resolve(folder).load((8, 8, 3), 0, lambda done, total: None)
    for kind in kinds_of(data.test.labels):
        values = with_targets(data, kind, "a task").test.labels
        assert np.isfinite(np.asarray(values, np.float64)).all(), kind
    return data.notes
