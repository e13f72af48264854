"""Images with captions, side by side in one picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

COLUMNS = 8
SIDE = 112
"""Pixels of the longer side of an image on the sheet."""
LINE = 14
GAP = 6
FONT_SIZE = 11
Kind = Literal["win", "loss", "both wrong", ""]
COLOURS: dict[Kind, str] = {
    "win": "forestgreen",
    "loss": "firebrick",
    "both wrong": "darkorange",
    "": "grey",
}


@dataclass(frozen=True)
class Tile:
    """One image of the test split, uint8 (H, W, 1 or 3), with the lines below it."""

    place: int
    """Its place in the split."""
    image: NDArray[np.uint8]
    lines: tuple[str, ...]
    kind: Kind
    group: str
    """The name of its class; empty where it has none, or several."""
    file: str = ""
    """The name of its file; empty where it has none of its own."""


def write_contact_sheet(title: str, tiles: Sequence[Tile], path: Path) -> None:
    """Draw tiles into a PNG file: the same tiles give the same bytes."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(FONT_SIZE)
    height = SIDE + 2 * GAP + LINE * max(len(tile.lines) for tile in tiles)
    columns, rows = min(COLUMNS, len(tiles)), -(-len(tiles) // COLUMNS)
    left = GAP + LINE + GAP
    width = max((SIDE + GAP) * columns + GAP, round(font.getlength(title)) + 2 * GAP)
    sheet = Image.new("RGB", (width, left + height * rows), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, GAP), title, "black", font)
    for number, tile in enumerate(tiles):
        x = GAP + (SIDE + GAP) * (number % COLUMNS)
        y = left + height * (number // COLUMNS)
        draw.rectangle((x - 2, y - 2, x + SIDE + 1, y + SIDE + 1), fill=COLOURS[tile.kind])
        picture = resized(tile.image, SIDE)
        sheet.paste(picture, (x + (SIDE - picture.width) // 2, y + (SIDE - picture.height) // 2))
        for line, text in enumerate(tile.lines):
            place = (x, y + SIDE + GAP // 2 + LINE * line)
            draw.text(place, _shortened(text, font), "black", font)
    sheet.save(path, "PNG", compress_level=3)  # Faster than the default level, and hardly larger.


def resized(image: NDArray[np.uint8], side: int) -> Any:
    """Return an image whose longer side is ``side``: enlarged ones with visible pixels."""
    from PIL import Image

    pixels = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    scale = side / max(pixels.shape[:2])
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    how = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BOX
    return Image.fromarray(pixels).resize(size, how)


def _shortened(text: str, font: Any) -> str:
    """Return a text truncated to the width of a tile."""
    if font.getlength(text) <= SIDE:
        return text
    while text and font.getlength(f"{text}..") > SIDE:
        text = text[:-1]
    return f"{text}.."
