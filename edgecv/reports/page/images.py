"""The gallery of a page: images with another answer, and the choices to filter them by."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecv.core.files import read_regular
from edgecv.core.report import Report
from edgecv.reports.gallery import MOST_BYTES, ChangedImage, Gallery

SMALL = 64
"""Pixels of a side up to which a picture is shown with visible pixels."""


@dataclass(frozen=True)
class GalleryTile:
    """One image of the gallery."""

    label: str
    image: ChangedImage
    picture: str
    is_small: bool


def gallery_tiles(report: Report, gallery: Gallery) -> Iterator[GalleryTile]:
    """Yield the images of a gallery, file by file."""
    for each in report.comparisons:
        for image in gallery.of(each.artifact.path, each.head):
            picture = gallery.pictures[image.picture]
            yield GalleryTile(each.label, image, picture, _is_small(picture))


def _is_small(picture: str) -> bool:
    """Return True for a small PNG file in Base64, by the width and height in its head."""
    head = base64.b64decode(picture[:32])
    return max(int.from_bytes(head[16:20]), int.from_bytes(head[20:24])) <= SMALL


def contact_sheets(report: Report, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield label and picture of each contact sheet of a run without a gallery, while they fit."""
    left = MOST_BYTES
    for each in report.comparisons:
        name = each.flips_picture
        if name is None or Path(name).name != name or not (folder / name).is_file():
            continue
        text = base64.b64encode(read_regular(folder / name, MOST_BYTES)).decode("ascii")
        left -= len(text)
        if left >= 0:
            yield each.label, text


def gallery_filters(tiles: Sequence[GalleryTile]) -> list[tuple[str, str, list[str]]]:
    """Return name, title and values of each filter of the gallery that there is a choice in."""
    values: tuple[tuple[str, str, list[str]], ...] = (
        ("file", "File", [tile.label for tile in tiles]),
        ("kind", "Change", [tile.image.kind for tile in tiles]),
        ("group", "Class", sorted(tile.image.group for tile in tiles)),
    )
    found = [(name, title, list(dict.fromkeys(filter(None, all_)))) for name, title, all_ in values]
    return [each for each in found if len(each[2]) > 1]
