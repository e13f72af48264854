"""Decoding of image files to arrays of one shape."""

import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from edgecv.core.data import Images, Shape
from edgecv.core.errors import InputError
from edgecv.core.text import counted, were
from edgecv.datasets.image_tree.decoding_work import (
    MAX_SIDE,
    TooMuchWork,
    check_opened,
    check_parts,
)
from edgecv.datasets.placement import Resize

if TYPE_CHECKING:
    from PIL.Image import Image

R = TypeVar("R")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
RESIZED: dict[Resize, str] = {"stretch": "resized", "crop": "cropped", "pad": "padded"}
_TURNED = {"exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp"}
_CHANGES: dict[str, Callable[[int, Shape], str]] = {
    "resized": lambda count, shape: (
        f"{counted(count, 'image')} of another size {were(count)} resized to {shape[0]}x{shape[1]}"
        " (bilinear, stretched)"
    ),
    "cropped": lambda count, shape: (
        f"{counted(count, 'image')} of another size {were(count)} resized to {shape[0]}x{shape[1]}"
        " (bilinear, cropped around the middle)"
    ),
    "padded": lambda count, shape: (
        f"{counted(count, 'image')} of another size {were(count)} resized to {shape[0]}x{shape[1]}"
        " (bilinear, padded with black)"
    ),
    "laid on white": lambda count, _: (
        f"{counted(count, 'image')} with transparent parts {were(count)} laid on white"
    ),
    "made grey": lambda count, _: f"{counted(count, 'colour image')} {were(count)} turned to grey",
    "16 bits": lambda count, _: (
        f"{counted(count, 'image')} of 16-bit grey {were(count)} scaled to 8 bits"
    ),
    "moving": lambda count, _: (
        f"of {counted(count, 'moving image')} only the first frame {were(count)} used"
        if count == 1
        else f"of {counted(count, 'moving image')} only the first frames were used"
    ),
}


class BadImage(Exception):
    """An image that cannot be used; the message is the reason."""


def check_shape(shape: Shape, where: str) -> None:
    """Raise InputError where images cannot be converted to ``shape`` (H, W, C)."""
    if shape[2] not in (1, 3):
        raise InputError(
            where,
            f"the model takes {counted(shape[2], 'channel')}",
            accepted="models that take 3 channels (colour) or 1 (grey)",
        )


def decode(data: bytes, shape: Shape, resize: Resize = "stretch") -> tuple[Images, tuple[str, ...]]:
    """Decode an image file: uint8 (H, W, C), and the changes that it needed. Raises BadImage."""
    pixels, changes, _ = decode_with_size(data, shape, resize)
    return pixels, changes


def decode_with_size(
    data: bytes, shape: Shape, resize: Resize
) -> tuple[Images, tuple[str, ...], tuple[int, int]]:
    """Decode as ``decode`` does; return also width and height of the upright image in the file."""

    def fitted(found: Opened) -> tuple[Images, tuple[str, ...], tuple[int, int]]:
        pixels, changes = fit(found.image, shape, resize)
        return pixels, ("moving", *changes) if found.is_moving else changes, found.size

    # Decoding a large JPEG at a fraction of its size is cheaper; twice the target size leaves
    # enough pixels to average.
    return open_image(data, fitted, 2 * max(shape[:2]))


@dataclass(frozen=True)
class Opened:
    """An image file that is open, turned upright."""

    image: "Image"
    size: tuple[int, int]
    """Width and height in the file, turned upright: a JPEG may be decoded at a fraction of it."""
    is_moving: bool


def open_image(data: bytes, use: Callable[[Opened], R], enough: int = MAX_SIDE) -> R:
    """Return what ``use`` makes of an image file. Raises BadImage.

    A JPEG may be decoded at a fraction of its size, if no side gets shorter than ``enough``.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        scans = check_parts(data)
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            check_opened(image, scans, len(data))
            width, height = image.size
            if min(image.size) > enough:
                image.draft(None, (enough, enough))
            image.load()
            # an MPO is a photo and its preview: the photo comes first
            is_moving = getattr(image, "is_animated", False) and image.format != "MPO"
            upright = ImageOps.exif_transpose(image) if _TURNED & image.info.keys() else image
            is_turned = upright.size != image.size
            return use(
                Opened(upright, (height, width) if is_turned else (width, height), is_moving)
            )
    except BadImage:
        raise
    except TooMuchWork as error:
        raise BadImage(str(error)) from None
    except UnidentifiedImageError:
        raise BadImage("not a PNG, JPEG, WebP or BMP image") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadImage("over 50 megapixels") from None
    except Exception as error:  # noqa: BLE001 - Pillow lets its parsers raise anything
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        raise BadImage("truncated" if "truncated" in reason.lower() else reason) from None


def fit(image: "Image", shape: Shape, resize: Resize = "stretch") -> tuple[Images, tuple[str, ...]]:
    """Convert an image to ``shape``: uint8 (H, W, C), and the changes that it needed."""

    height, width, channels = shape
    mode = "L" if channels == 1 else "RGB"
    changes = []
    if image.mode == "I" or image.mode.startswith("I;16"):
        image = _eight_bits(image)
        changes.append("16 bits")
    if image.has_transparency_data:
        image, was_transparent = _on_white(image)
        changes += ["laid on white"] * was_transparent
    if channels == 1 and image.mode not in ("L", "1"):
        changes.append("made grey")
    if image.mode != mode:
        image = image.convert(mode)
    if image.size != (width, height):
        image = _resized(image, (width, height), resize)
        changes.append(RESIZED[resize])
    return np.frombuffer(image.tobytes(), np.uint8).reshape(shape), tuple(changes)


def _resized(image: "Image", size: tuple[int, int], resize: Resize) -> "Image":
    from PIL import Image, ImageOps

    if resize == "stretch":
        return image.resize(size, Image.Resampling.BILINEAR)
    act = ImageOps.fit if resize == "crop" else ImageOps.pad
    return act(image, size, Image.Resampling.BILINEAR)


def notes_of(changes: Counter[str], shape: Shape) -> tuple[str, ...]:
    """Describe the changes, in a fixed order."""
    return tuple(say(changes[key], shape) for key, say in _CHANGES.items() if changes[key])


def _eight_bits(image: "Image") -> "Image":
    """Scale 0..65535 to 0..255: Pillow's own conversion would clip at 255."""
    from PIL import Image

    values = np.asarray(image).astype(np.int64)
    if values.size and not 0 <= values.min() <= values.max() <= 65535:
        raise BadImage("its grey values are not in 0..65535")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def _on_white(image: "Image") -> tuple["Image", bool]:
    from PIL import Image

    colours = image.convert("RGBA")
    if colours.getchannel("A").getextrema() == (255, 255):
        return colours.convert("RGB"), False
    white = Image.new("RGBA", colours.size, "white")
    return Image.alpha_composite(white, colours).convert("RGB"), True
