"""A small file that asks for minutes or gigabytes is a bad image, named like any other."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgecv.core.errors import InputError
from edgecv.datasets.image_tree import decoding_work
from edgecv.datasets.image_tree.decoding import BadImage, decode
from edgecv.datasets.images import ImageTree

SHAPE = (8, 8, 3)
SCAN, END = b"\xff\xda", b"\xff\xd9"


def jpeg_of_scans(scans: int, width: int = 64, height: int = 64) -> bytes:
    """Return a progressive JPEG of more scans than Pillow writes: its last one, repeated."""
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(values).save(content, "JPEG", progressive=True)
    data = content.getvalue()
    last = data.rindex(SCAN)
    assert data.endswith(END)
    return data[:-2] + data[last:-2] * (scans - data.count(SCAN)) + END


def png_of(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a black grey PNG."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes((width + 1) * height), 1)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )


def bitmap_of_runs(width: int, height: int, row: bytes) -> bytes:
    """Return an 8-bit BMP of which each row is ``row``, run-length encoded."""
    body = row * height
    header = struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(body), 2835, 2835, 2, 2
    ) + bytes(8)
    start = 14 + len(header)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + header + body


def test_a_jpeg_of_many_scans_is_not_decoded() -> None:
    decode(jpeg_of_scans(100), SHAPE)
    with pytest.raises(BadImage, match="it has more than 100 scans"):
        decode(jpeg_of_scans(101), SHAPE)


def test_a_large_jpeg_may_have_fewer_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding_work, "MAX_SCANNED_PIXELS", 20 * 64 * 64)
    decode(jpeg_of_scans(20), SHAPE)
    with pytest.raises(BadImage, match="it has 21 scans of 64x64 pixels, at most 20 are read"):
        decode(jpeg_of_scans(21), SHAPE)


@pytest.mark.parametrize(
    "inside",
    [
        b"\xff\xee" + struct.pack(">H", 2 + 600) + SCAN * 300,  # in a segment with a length
        b"\xff\xfe" + struct.pack(">H", 2 + 600) + SCAN * 300,
    ],
)
def test_what_only_looks_like_a_scan_is_not_counted(inside: bytes) -> None:
    data = jpeg_of_scans(10)
    decode(data[:2] + inside + data[2:], SHAPE)
    decode(data + SCAN * 300, SHAPE)  # Behind the picture phones put a film.


def test_scans_behind_a_marker_without_a_length_are_counted() -> None:
    data = jpeg_of_scans(101)
    first = data.index(SCAN)
    with pytest.raises(BadImage, match="more than 100 scans"):
        decode(data[:first] + b"\xff\x01\xff\xff" + data[first:], SHAPE)


def test_a_jpeg_of_many_segments_is_not_opened() -> None:
    data = jpeg_of_scans(10)
    with pytest.raises(BadImage, match="more than 50,000 segments"):
        decode(data[:2] + b"\xff\xfe\x00\x02" * 50_000 + data[2:], SHAPE)


@pytest.mark.parametrize("size", [(1, 70_000), (70_000, 1)])
@pytest.mark.parametrize("format", ["PNG", "BMP"])
def test_a_side_is_bounded_too(size: tuple[int, int], format: str) -> None:
    content = io.BytesIO()
    Image.new("L", size).save(content, format)
    with pytest.raises(BadImage, match=f"{size[0]}x{size[1]} has a side of more than 65,535"):
        decode(content.getvalue(), SHAPE)


def test_a_long_picture_within_the_bound_is_read() -> None:
    pixels, changes = decode(png_of(3, 65_535), SHAPE)
    assert pixels.max() == 0
    assert changes == ("resized",)


def test_a_png_of_many_chunks_is_not_opened() -> None:
    decode(png_of(8, 8, *[(b"tEXt", b"a\0b")] * 100), SHAPE)
    with pytest.raises(BadImage, match="more than 50,000 chunks"):
        decode(png_of(8, 8, *[(b"prVt", b"")] * 50_000), SHAPE)


def test_an_interlaced_png_is_read() -> None:
    content = io.BytesIO()
    Image.new("RGB", (8, 8), (1, 2, 3)).save(content, "PNG")
    data = bytearray(content.getvalue())
    data[28] = 1
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    # Its passes are 1, 1, 1, 2, 2, 4 and 4 rows of 1, 1, 2, 2, 4, 4 and 8 pixels.
    passes = ((1, 1), (1, 1), (1, 2), (2, 2), (2, 4), (4, 4), (4, 8))
    rows = b"".join((b"\0" + bytes((1, 2, 3)) * width) * height for height, width in passes)
    body = zlib.compress(rows)
    start = data.index(b"IDAT") - 4
    chunk = struct.pack(">I", len(body)) + b"IDAT" + body
    chunk += struct.pack(">I", zlib.crc32(b"IDAT" + body))
    pixels, changes = decode(bytes(data[:start]) + chunk + bytes(data[-12:]), SHAPE)
    assert {tuple(each) for each in pixels.reshape(-1, 3).tolist()} == {(1, 2, 3)}
    assert changes == ()


def test_of_a_moving_webp_only_the_first_frame_is_decoded() -> None:
    frames = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in range(50)]
    content = io.BytesIO()
    frames[0].save(content, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    pixels, changes = decode(content.getvalue(), SHAPE)
    assert pixels.max() == 0
    assert changes == ("moving",)


def test_run_length_encoded_bitmaps_have_a_bound_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pixels, _ = decode(bitmap_of_runs(8, 8, b"\x08\x01\0\0"), SHAPE)
    assert pixels.shape == SHAPE
    with pytest.raises(BadImage, match="run-length encoded bitmap of 5001x1000 is over 5 mega"):
        decode(bitmap_of_runs(5001, 1000, b"\x01\x01\0\0"), SHAPE)
    monkeypatch.setattr(decoding_work, "MAX_RLE_BYTES", 2000)
    with pytest.raises(BadImage, match="run-length encoded bitmap is larger"):
        decode(bitmap_of_runs(8, 8, b"\x08\x01" + b"\x01\x01" * 200), SHAPE)


def test_such_a_picture_is_named_and_can_be_left_out(
    make_tree: Any, tree_files: Callable[..., dict[str, bytes]]
) -> None:
    path: Path = make_tree({**tree_files(), "test/cat/bomb.jpg": jpeg_of_scans(101)})

    def load(source: ImageTree) -> Any:
        return source.load(SHAPE, 0, lambda done, total: None)

    with pytest.raises(InputError) as refused:
        load(ImageTree.at(path))
    for part in ("test/cat/bomb.jpg", "more than 100 scans", "--skip-bad-images"):
        assert part in str(refused.value)
    data = load(ImageTree.at(path, skip_bad_images=True))
    assert len(data.test) == 4
    assert any("test/cat/bomb.jpg" in note for note in data.notes)
