"""Resolution of a name or path to a source of images."""

import json
import os
from collections.abc import Mapping
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.files import check_regular
from edgecv.core.options import parse_options
from edgecv.core.plugins import DatasetSource
from edgecv.core.registry import DATASETS
from edgecv.core.text import listed, nearest, printable
from edgecv.datasets.image_tree.folder_tree import LAYOUT, locate


def resolve(
    data: str | DatasetSource,
    *,
    skip_bad_images: bool = False,
    resize: str | None = None,
    validation: float | None = None,
) -> DatasetSource:
    """Return the source that ``--data`` means: a name of a data set, a path, or a source itself.

    A name wins over a file of that name: write ./digits for the file. Raises InputError.
    """
    source = _find(data, skip_bad_images) if isinstance(data, str) else data
    if skip_bad_images and "skip_bad_images" not in type(source).model_fields:
        raise InputError(
            "--skip-bad-images",
            f"{source.name} holds no image files to skip",
            accepted="with a folder or .zip of images",
            remedy="leave it out",
        )
    if resize is not None and "resize" not in type(source).model_fields:
        raise InputError(
            "--resize",
            f"{source.name} holds no image files of other sizes",
            accepted="with a folder or .zip of images",
            remedy="leave it out",
        )
    asked = {"resize": resize, "skip_bad_images": skip_bad_images, "validation": validation}
    changes = {name: each for name, each in asked.items() if each}
    return source.model_copy(update=changes) if changes else source


def resolve_table(table: Mapping[str, Any], where: str) -> DatasetSource:
    """Return the source that the table ``[data]`` of a recipe names. Raises InputError.

    Where ``source`` is a path in place of a kind, the error says how the table is written.
    """
    named = table.get("source")
    is_path = isinstance(named, str) and named not in DATASETS.classes and os.path.exists(named)
    if not is_path:
        return DATASETS.parse(table, where)
    source = _find(str(named), skip_bad_images=False)
    options = source.model_dump(mode="json", exclude_defaults=True)
    table = {DATASETS.key: source.name, **options}
    lines = (f"{key} = {json.dumps(each)}" for key, each in table.items())
    raise InputError(
        where,
        f'source = "{printable(str(named))}" is a path, where the kind of the data is named',
        accepted=", ".join(DATASETS.classes),
        remedy=f"write {' and '.join(lines)}; or give --data {printable(str(named))}",
    )


def _find(text: str, skip_bad_images: bool) -> DatasetSource:
    where = f"--data {printable(text)}"
    names = named_data()
    if text in names:
        return parse_options(DATASETS.classes[text], {}, where)
    path = locate(text)
    if not text or not os.path.exists(path):
        raise InputError(
            "--data",
            f'"{printable(text)}" is neither a data set nor a file',
            accepted=accepted_data(),
            remedy=nearest(text.lower(), names),
        )
    check_regular(path, where, accepted=accepted_data(), folders=True)
    for cls in sorted(DATASETS.classes.values(), key=lambda cls: not cls.reads_annotations):
        if cls.accepts(path):
            return cls.at(path, skip_bad_images=skip_bad_images)
    found = "no data set can be read from it"
    if path.is_dir():
        there = sorted(os.listdir(path))
        found = f"neither train/ nor test/ is in it; there is {listed(there, 5) or 'nothing'}"
    raise InputError(where, found, accepted=accepted_data())


def named_data() -> list[str]:
    """Return the names of the data sets that need no path."""
    return [
        name
        for name, cls in DATASETS.classes.items()
        if not any(field.is_required() for field in cls.model_fields.values())
    ]


def accepted_data() -> str:
    """Return a description of the accepted data."""
    return (
        f"{', '.join(named_data())}, {LAYOUT}, a folder or .zip of images with "
        "annotations (COCO, YOLO, VOC, masks, a .csv), a .npz, a cifar-10-python.tar.gz, "
        "a folder of images without labels"
    )
