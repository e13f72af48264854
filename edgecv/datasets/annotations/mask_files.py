"""Masks in image files: classes as numbers or as colours, found over all masks together."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import InputError
from edgecv.core.plugins import Progress
from edgecv.core.targets import IGNORED
from edgecv.core.text import counted, listed, printable
from edgecv.datasets.annotations.annotated import Size
from edgecv.datasets.image_tree.decoding import BadImage, Opened, open_image
from edgecv.datasets.image_tree.folder_tree import Tree
from edgecv.datasets.image_tree.thread_pool import in_batches

SUFFIXES = (".png", ".bmp")
"""Endings of masks whose pixels are what was saved: those of a JPEG are not."""
NAME_FILES = ("classes.txt", "labels.txt", "class_names.txt", "labelmap.txt", "label_colors.txt",
              "class_dict.csv")  # fmt: skip
"""Files that name the classes of masks, one a line, some with a colour."""
VOID = 0xE0E0C0
"""The colour of Pascal VOC for pixels of no class."""
DEEP_VOID = 0xFFFF
"""The largest value of 16 bits, for pixels of no class as 255 is."""
COLOURS = b"colours"
"""The palette that masks of colours are said to have."""
MOST_LEVELS = 64
"""Most colours or grey levels that are taken for classes; noise has more."""
GREY = 0x10101
_COLOUR = re.compile(r"(?<!\d)(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})(?!\d)")
_Codes = NDArray[np.int64]


@dataclass(frozen=True)
class MaskClasses:
    """The class of each value of masks."""

    names: tuple[str, ...]
    classes: dict[int, int]
    """Value or colour in a mask, and its class."""
    as_colours: bool
    note: str = ""

    def read(self, content: bytes, size: Size) -> NDArray[np.uint8]:
        """Return the mask of an image of a size: uint8 (h, w). Raises BadImage."""
        codes, _ = open_image(content, lambda opened: _codes(opened, self.as_colours))
        if codes.shape != size[::-1]:
            wrong = f"{codes.shape[1]}x{codes.shape[0]}"
            raise BadImage(f"its mask is {wrong}, the image is {size[0]}x{size[1]}")
        known = sorted(self.classes)
        classes = np.array([self.classes[value] for value in known], np.uint8)
        places = np.searchsorted(known, codes).clip(0, len(known) - 1)
        unknown = codes[np.array(known)[places] != codes]
        if len(unknown):
            shown = "the colour #{:06x}" if self.as_colours else "the value {}"
            raise BadImage(f"its mask has {shown.format(unknown[0])}, which is no class")
        mask: NDArray[np.uint8] = classes[places]
        return mask


def classes_of_masks(tree: Tree, masks: list[str], progress: Progress, where: str) -> MaskClasses:
    """Return the classes of all masks. Raises InputError where their values are no classes."""
    values, palettes = _values(tree, masks, False, progress)
    has_colours = COLOURS in palettes and max(values, default=0) > IGNORED
    as_colours = has_colours or len(palettes - {COLOURS}) > 1
    if as_colours:
        values, _ = _values(tree, masks, True, progress)
    if not values:
        raise InputError(where, "no mask can be read", accepted="masks that are PNG or BMP")
    named = _named_classes(tree, where)
    if len(named) > IGNORED:
        raise InputError(
            where,
            f"a file names {counted(len(named), 'class')} of masks",
            accepted=f"at most {IGNORED}",
        )
    if as_colours and any(colour is not None for _, colour in named):
        names = tuple(name for name, _ in named)
        classes = {colour: place for place, (_, colour) in enumerate(named) if colour is not None}
        return MaskClasses(names, {VOID: IGNORED, **classes}, True)
    if as_colours and any(value % GREY for value in values):
        return _levels(values, "#{:06x}".format, True, where)
    unit = GREY if as_colours else 1
    return _numbers({value // unit for value in values}, [name for name, _ in named], unit, where)


def _numbers(values: set[int], names: list[str], unit: int, where: str) -> MaskClasses:
    """Return the classes of masks whose values are numbers, of which 255 and 65535 are none."""
    most = max(values - {IGNORED, DEEP_VOID}, default=0)
    if values in ({0, IGNORED}, {0, DEEP_VOID}) and len(names) in (0, 2):
        white = max(values)
        note = f"masks of 0 and {white}: {white} was taken for class 1"
        return MaskClasses(tuple(names) or ("0", "1"), {0: 0, white * unit: 1}, unit > 1, note)
    if not names and most >= MOST_LEVELS:
        codes = {value * unit for value in values}
        return _levels(codes, lambda code: f"grey {code // unit}", unit > 1, where)
    names = names or [str(number) for number in range(most + 1)]
    classes = {number * unit: number for number in range(len(names))}
    no_class = {IGNORED * unit: IGNORED, DEEP_VOID * unit: IGNORED}
    return MaskClasses(tuple(names), {**classes, **no_class}, unit > 1)


def _levels(
    values: set[int], name: Callable[[int], str], as_colours: bool, where: str
) -> MaskClasses:
    """Return a class for each colour or grey level, in their order."""
    void = VOID if as_colours else DEEP_VOID
    found = sorted(values - {void})
    if len(found) > MOST_LEVELS:
        raise InputError(
            where,
            f"its masks have {len(found):,} different {'colours' if as_colours else 'values'}",
            accepted=f"at most {MOST_LEVELS}, or the class of each pixel as a number below 255",
            remedy="save masks as PNG, without smoothed edges; a class_dict.csv of name,r,g,b "
            "says which colours are classes",
        )
    names = tuple(map(name, found))
    note = f"no file names the classes of the masks ({NAME_FILES[0]}); in order: {listed(names)}"
    classes = {value: place for place, value in enumerate(found)}
    return MaskClasses(names, {void: IGNORED, **classes}, as_colours, note)


def _values(
    tree: Tree, masks: list[str], as_colours: bool, progress: Progress
) -> tuple[set[int], set[bytes]]:
    """Return the values of all masks that can be read, and their palettes."""

    def work(rows: range) -> tuple[set[int], set[bytes]]:
        values: set[int] = set()
        palettes = set()
        for row in rows:
            try:
                codes, palette = open_image(
                    tree.read(masks[row]), lambda opened: _codes(opened, as_colours)
                )
            except BadImage:
                continue  # read again with its image, where it is counted as a bad one
            if len(values) <= 100 * MOST_LEVELS:
                values |= _distinct(codes)
            palettes |= {palette} if palette else set()
        return values, palettes

    files = tree.listing().files
    bytes_each = sum(files[name] for name in masks) // max(1, len(masks))
    found = in_batches(len(masks), work, progress, bytes_each)
    return set().union(*(each for each, _ in found)), set().union(*(each for _, each in found))


def _distinct(codes: _Codes) -> set[int]:
    """Return the different values: by counting, which is faster than sorting them."""
    if codes.max(initial=0) <= IGNORED:
        return set(np.flatnonzero(np.bincount(codes.ravel())).tolist())
    is_new = np.ones(codes.shape, bool)  # Most pixels of a mask have the colour of their left one.
    is_new[:, 1:] = codes[:, 1:] != codes[:, :-1]
    return set(np.unique(codes[is_new]).tolist())


def _codes(opened: Opened, as_colours: bool) -> tuple[_Codes, bytes]:
    """Return the value of each pixel, int64 (h, w), and the palette where values are of one.

    Raises BadImage for numbers beyond 255 beside colours, which they cannot become.
    """
    image = opened.image
    if not as_colours:
        if image.mode == "P":
            palette = bytes(image.getpalette() or [])
            return np.asarray(image).astype(np.int64), palette.rstrip(b"\0")
        if image.mode in ("1", "L", "I") or image.mode.startswith("I;16"):
            return np.asarray(image).astype(np.int64), b""
        if image.mode == "LA":
            return np.asarray(image.getchannel("L")).astype(np.int64), b""
    elif image.mode.startswith("I") and np.asarray(image).max(initial=0) > IGNORED:
        raise BadImage("its mask holds numbers beyond 255, others hold colours")
    parts = np.asarray(image.convert("RGB")).astype(np.int64)
    return parts[..., 0] << 16 | parts[..., 1] << 8 | parts[..., 2], COLOURS


def _named_classes(tree: Tree, where: str) -> list[tuple[str, int | None]]:
    """Return the names, and colours where they stand there, of the file that names the classes."""
    files = tree.listing().files
    found = [name for name in files if name.rpartition("/")[2].lower() in NAME_FILES]
    if not found:
        return []
    try:
        text = tree.read(min(found, key=lambda name: name.count("/"))).decode("utf-8-sig")
    except (BadImage, UnicodeDecodeError) as error:
        raise InputError(where, f"{printable(found[0])} cannot be read: {error}") from None
    return list(_entries(text.splitlines()))


def _entries(lines: Iterable[str]) -> Iterable[tuple[str, int | None]]:
    for number, line in enumerate(each.strip() for each in lines):
        if not line or line.startswith("#") or (number == 0 and line.lower().startswith("name,")):
            continue
        colour = _COLOUR.search(line)
        if colour is None:
            yield printable(line), None
            continue
        name = (line[: colour.start()] + line[colour.end() :]).strip(" \t,:")
        red, green, blue = (int(part) for part in colour.groups())
        yield printable(name), red << 16 | green << 8 | blue
