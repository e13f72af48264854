"""Bounds on the work of decoding one picture: a small file may ask for minutes, or for gigabytes.

Read off the file before a decoder runs. Nothing that a camera or a program writes comes near.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 50_000_000
MAX_SIDE = 65_535
"""The largest side of a JPEG. Decoders keep a pointer a row, and scale a row at a time."""
MAX_SCANS = 100
"""Progressive JPEGs have about 10."""
MAX_SCANNED_PIXELS = 1_500_000_000
"""Each scan of a JPEG goes over all of its pixels again."""
MAX_PARTS = 50_000
"""Segments of a JPEG or chunks of a PNG. Pillow takes 5 microseconds for each."""
MAX_RLE_PIXELS = 5_000_000
MAX_RLE_BYTES = 10_000_000
"""Pillow unpacks run-length encoded bitmaps in Python."""
JPEG_START = b"\xff\xd8"
PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_CHUNK_BYTES = 12
START_OF_SCAN, END_OF_IMAGE, FIRST_SEGMENT = 0xDA, 0xD9, 0xC0
# In the data of a scan 0xFF 0x00 is a byte, and 0xD0 to 0xD7 are where a decoder may begin again.
JPEG_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")


class TooMuchWork(Exception):
    """A picture that is not decoded; the message says what it is and what is accepted."""


def check_parts(data: bytes) -> int:
    """Return how many scans a file has, 1 where it is no JPEG. Raises TooMuchWork.

    Before Pillow opens the file: it reads all parts in Python.
    """
    if data.startswith(JPEG_START):
        return _jpeg_scans(data)
    if data.startswith(PNG_START):
        _check_png_chunks(data)
    return 1


def check_opened(image: "Image", scans: int, file_bytes: int) -> None:
    """Raise TooMuchWork for a picture that is opened but not loaded, by its size and coding."""
    width, height = image.size
    pixels = width * height
    if pixels > MAX_PIXELS:
        raise TooMuchWork(f"{width}x{height} is over 50 megapixels")
    if max(width, height) > MAX_SIDE:
        raise TooMuchWork(f"{width}x{height} has a side of more than {MAX_SIDE:,} pixels")
    if scans * pixels > MAX_SCANNED_PIXELS:
        most = MAX_SCANNED_PIXELS // pixels
        raise TooMuchWork(
            f"it has {scans} scans of {width}x{height} pixels, at most {most} are read"
        )
    if any(tile[0] == "bmp_rle" for tile in getattr(image, "tile", ())):
        if pixels > MAX_RLE_PIXELS:
            raise TooMuchWork(
                f"a run-length encoded bitmap of {width}x{height} is over"
                f" {MAX_RLE_PIXELS // 1_000_000} megapixels"
            )
        if file_bytes > MAX_RLE_BYTES:
            raise TooMuchWork(
                f"the run-length encoded bitmap is larger than {MAX_RLE_BYTES // 1_000_000} MB"
            )


def _jpeg_scans(data: bytes) -> int:
    """Count the scans of a JPEG as its decoder meets them, up to the end of its first image."""
    scans = 0
    position = len(JPEG_START)
    for _ in range(MAX_PARTS):
        found = JPEG_MARKER.search(data, position)
        if found is None or found[1][0] == END_OF_IMAGE:
            return scans
        position = found.end()
        if found[1][0] < FIRST_SEGMENT:  # These have no length.
            continue
        if found[1][0] == START_OF_SCAN:
            scans += 1
            if scans > MAX_SCANS:
                raise TooMuchWork(f"it has more than {MAX_SCANS} scans")
        position += int.from_bytes(data[position : position + 2], "big")
    raise TooMuchWork(f"it has more than {MAX_PARTS:,} segments")


def _check_png_chunks(data: bytes) -> None:
    position = len(PNG_START)
    for _ in range(MAX_PARTS):
        if position >= len(data):
            return
        position += PNG_CHUNK_BYTES + int.from_bytes(data[position : position + 4], "big")
    raise TooMuchWork(f"it has more than {MAX_PARTS:,} chunks")
