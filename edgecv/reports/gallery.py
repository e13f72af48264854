"""``gallery.json``: the images whose answer changed, as ``report.html`` shows them."""

import base64
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, StringConstraints, ValidationError

from edgecv.core.errors import InputError
from edgecv.core.files import read_regular
from edgecv.core.tables import fault_of
from edgecv.core.type_adapters import type_adapter
from edgecv.reports.contact_sheet import Kind, Tile, resized
from edgecv.system.storage import write_json

GALLERY = "gallery.json"
MOST_BYTES = 2_000_000
"""All pictures of a page together, as text: the page stays below 3 MB."""
LONGEST_SIDE = 168
PALETTE = 96
"""Colours of a picture that was made smaller; one that fits keeps its pixels."""


def _is_base64(text: str) -> str:
    if len(text) % 4:
        raise ValueError("is no Base64")
    return text


Picture = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9+/]+={0,2}$", max_length=MOST_BYTES),
    AfterValidator(_is_base64),
]


@dataclass(frozen=True)
class ChangedImage:
    """One image of the test split whose answer changed."""

    image: int
    """Its place in the test split."""
    kind: Kind
    group: str
    """The name of its class; empty where it has none, or several."""
    lines: tuple[str, ...]
    picture: int
    """Its place among the pictures of the gallery."""
    file: str = ""
    """The name of its file in the data; empty where it has none, and in older galleries."""


@dataclass(frozen=True)
class ChangedImages:
    """Images of one artifact and head."""

    artifact: str
    head: str
    images: Annotated[tuple[ChangedImage, ...], Field(max_length=1000)]


@dataclass(frozen=True)
class Gallery:
    """Changed images of all artifacts; a picture that several show stands there once."""

    files: Annotated[tuple[ChangedImages, ...], Field(max_length=1000)] = ()
    pictures: Annotated[tuple[Picture, ...], Field(max_length=100_000)] = ()
    """PNG files in Base64."""

    def of(self, artifact: str, head: str) -> tuple[ChangedImage, ...]:
        """Return the images of an artifact and head."""
        found = (each for each in self.files if (each.artifact, each.head) == (artifact, head))
        return next((each.images for each in found), ())


def read_gallery(folder: Path) -> Gallery:
    """Read the gallery of a run, which somebody else may have edited; empty where it has none.

    Raises InputError where it is damaged.
    """
    path = folder / GALLERY
    try:
        content = read_regular(path, 4 * MOST_BYTES)
        gallery = type_adapter(Gallery).validate_json(content)
    except FileNotFoundError:
        return Gallery()
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}") from None
    except ValidationError as error:
        key, fault = fault_of(error)
        fault = fault.removeprefix("Value error, ")
        raise InputError(str(path), f'is damaged: "{key}": {fault}') from None
    places = (image.picture for each in gallery.files for image in each.images)
    if not all(0 <= place < len(gallery.pictures) for place in places):
        raise InputError(str(path), "is damaged: it names pictures that it does not hold")
    return gallery


class GalleryWriter:
    """A gallery in the making: each picture once, as many as fit into a page."""

    def __init__(self, files: int) -> None:
        """Start a gallery of that many files at the most, which share the space evenly."""
        self._share = MOST_BYTES // max(files, 1)
        self._left = 0
        self._files: list[ChangedImages] = []
        self._places: dict[str, int] = {}

    def add(self, artifact: str, head: str, tiles: Sequence[Tile]) -> None:
        """Add the images of an artifact and head, the first ones where there is not all space."""
        self._left += self._share
        images = []
        for tile in tiles:
            text = picture_text(tile.image)
            if text not in self._places:
                if len(text) > self._left:
                    continue
                self._left -= len(text)
                self._places[text] = len(self._places)
            place = self._places[text]
            images.append(
                ChangedImage(tile.place, tile.kind, tile.group, tile.lines, place, tile.file)
            )
        self._files.append(ChangedImages(artifact, head, tuple(images)))

    def write(self, folder: Path) -> None:
        """Write ``gallery.json`` where there is an image to show."""
        if self._files:
            gallery = Gallery(tuple(self._files), tuple(self._places))
            write_json(folder / GALLERY, asdict(gallery))


def picture_text(image: NDArray[np.uint8]) -> str:
    """Return an image uint8 (H, W, 1 or 3) as a small PNG file in Base64."""
    from PIL import Image

    is_small = max(image.shape[:2]) <= LONGEST_SIDE
    grey = image.shape[2] == 1
    if is_small:
        picture = Image.fromarray(image[..., 0] if grey else image)
    else:
        picture = resized(image, LONGEST_SIDE).quantize(PALETTE, Image.Quantize.FASTOCTREE)
    content = io.BytesIO()
    picture.save(content, "PNG", optimize=is_small)
    return base64.b64encode(content.getvalue()).decode("ascii")
