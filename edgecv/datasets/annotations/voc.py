"""Annotations in Pascal VOC's XML."""

from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np

from edgecv.core.text import printable
from edgecv.datasets.annotations.annotated import Size
from edgecv.datasets.image_tree.decoding import BadImage

MOST_BYTES = 1_000_000
EDGES = ("xmin", "ymin", "xmax", "ymax")


class _Builder(ElementTree.TreeBuilder):
    """Refuses a document type: entities in it grow without bound, or name other files."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise BadImage("it has a document type, which annotations do not need")


@dataclass(frozen=True)
class VocFile:
    """The objects of one image, with edges as the file has them."""

    file: str
    """The name of the image file, as the file has it."""
    size: Size | None
    classes: tuple[str, ...]
    edges: np.ndarray[Any, np.dtype[np.float32]]
    """Left, top, right, bottom: float32 (M, 4)."""


def parse_voc(content: bytes) -> VocFile:
    """Parse an XML file. Raises BadImage."""
    if len(content) > MOST_BYTES:
        raise BadImage(f"it is larger than {MOST_BYTES // 10**6} MB")
    try:
        root = ElementTree.fromstring(content, ElementTree.XMLParser(target=_Builder()))
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise BadImage(f"it is no XML: {error}") from None
    if root.tag != "annotation":
        raise BadImage(f"it holds {printable(root.tag[:40])}, not annotation")
    width, height = (int(_number(root, f"size/{side}", 0.0)) for side in ("width", "height"))
    names: list[str] = []
    edges: list[list[float]] = []
    for each in root.iterfind("object"):
        name = (each.findtext("name") or "").strip()
        if not name:
            raise BadImage(f"its object {len(names) + 1} has no name")
        names.append(name)
        edges.append([_number(each, f"bndbox/{edge}") for edge in EDGES])
    return VocFile(
        (root.findtext("filename") or "").strip(),
        (width, height) if width > 0 and height > 0 else None,
        tuple(names),
        np.array(edges, np.float32).reshape(-1, 4),
    )


def _number(element: ElementTree.Element, path: str, default: float | None = None) -> float:
    text = element.findtext(path)
    if text is None and default is not None:
        return default
    try:
        number = float(text or "")
    except ValueError:
        raise BadImage(f"its {path.rpartition('/')[2]} is {printable(repr(text)[:40])}") from None
    if not abs(number) < 1e9:
        raise BadImage(f"its {path.rpartition('/')[2]} is {number}")
    return number
