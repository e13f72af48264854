"""Any picture becomes one array of one shape, and what was changed is said."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgecv.datasets.image_tree import decoding_work
from edgecv.datasets.image_tree.decoding import BadImage, decode

pytestmark = pytest.mark.quick

RGB = (8, 8, 3)
GREY = (8, 8, 1)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP"])
def test_every_format_gives_its_pixels(encode: Any, format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    pixels, changes = decode(encode((200, 100, 50), format, **options), RGB)
    assert pixels.shape == RGB
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels[4, 4], (200, 100, 50), atol=3)
    assert changes == ()


@pytest.mark.parametrize(
    ("mode", "colour", "shape", "expected", "changes"),
    [
        ("L", 77, RGB, (77, 77, 77), ()),
        ("L", 77, GREY, (77,), ()),
        ("1", 1, RGB, (255, 255, 255), ()),
        ("RGB", (255, 0, 0), GREY, (76,), ("made grey",)),
        ("RGBA", (10, 20, 30, 255), RGB, (10, 20, 30), ()),
        ("RGBA", (10, 20, 30, 0), RGB, (255, 255, 255), ("laid on white",)),
        ("RGBA", (0, 0, 0, 51), RGB, (204, 204, 204), ("laid on white",)),
        ("LA", (0, 0), GREY, (255,), ("laid on white", "made grey")),
    ],
)
def test_modes(
    encode: Any, mode: str, colour: Any, shape: Any, expected: Any, changes: Any
) -> None:
    pixels, changed = decode(encode(colour, mode=mode), shape)
    assert tuple(pixels[0, 0]) == expected
    assert changed == changes


def test_a_palette_and_its_transparent_colour(encode: Any) -> None:
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([255, 0, 0, 0, 255, 0])
    content = io.BytesIO()
    palette.save(content, "PNG")
    pixels, changes = decode(content.getvalue(), RGB)
    assert tuple(pixels[0, 0]) == (0, 255, 0)
    assert changes == ()

    content = io.BytesIO()
    palette.save(content, "PNG", transparency=1)
    pixels, changes = decode(content.getvalue(), RGB)
    assert tuple(pixels[0, 0]) == (255, 255, 255)
    assert changes == ("laid on white",)


def test_cmyk(encode: Any) -> None:
    pixels, _ = decode(encode((0, 255, 255, 0), "JPEG", mode="CMYK"), RGB)
    np.testing.assert_allclose(pixels[4, 4], (255, 0, 0), atol=4)


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (257, 1), (32768, 128), (65535, 255)])
def test_sixteen_bits_are_scaled_and_not_clipped(encode: Any, value: int, expected: int) -> None:
    pixels, changes = decode(encode(np.full((8, 8), value, np.uint16)), GREY)
    assert set(pixels.ravel().tolist()) == {expected}
    assert changes == ("16 bits",)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied(encode: Any, format: str) -> None:
    values = np.zeros((16, 8, 3), np.uint8)
    values[:8] = 255  # the upper half is white, as stored
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it upright: white is to the right
    pixels, changes = decode(encode(values, format, exif=exif.tobytes()), (8, 16, 3))
    assert changes == ()
    assert pixels[:, 12:].min() > 240
    assert pixels[:, :4].max() < 15


def test_other_sizes_are_resized(encode: Any) -> None:
    pixels, changes = decode(encode((9, 9, 9), side=20), RGB)
    assert changes == ("resized",)
    assert set(pixels.ravel().tolist()) == {9}


def test_a_large_jpeg_is_averaged_and_not_sampled(encode: Any) -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    pixels, changes = decode(encode(stripes, "JPEG", quality=95, subsampling=0), RGB)
    assert changes == ("resized",)
    np.testing.assert_allclose(pixels, 127, atol=8)


def test_of_a_moving_image_the_first_frame_is_used(encode: Any) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    content = io.BytesIO()
    frames[0].save(content, "PNG", save_all=True, append_images=frames[1:])
    pixels, changes = decode(content.getvalue(), RGB)
    assert tuple(pixels[0, 0]) == (255, 0, 0)
    assert changes == ("moving",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a PNG, JPEG, WebP or BMP"),
        (b"these are words", "not a PNG, JPEG, WebP or BMP"),
        (b"GIF89a\x01\x00\x01\x00\x80\x00\x00", "not a PNG, JPEG, WebP or BMP"),
    ],
)
def test_unknown_content_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(BadImage, match=reason):
        decode(content, RGB)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP"])
@pytest.mark.parametrize("kept", [0.3, 0.6])
def test_a_truncated_image_is_refused(encode: Any, format: str, kept: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    content = encode(noise, format)
    with pytest.raises(BadImage):
        decode(content[: int(len(content) * kept)], RGB)


def test_a_size_is_refused_before_it_is_decoded(
    encode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding_work, "MAX_PIXELS", 100)
    content = encode((1, 2, 3), side=11)
    with pytest.raises(BadImage, match="11x11 is over 50 megapixels"):
        decode(content[:60], RGB)  # only the header is there


def test_a_picture_over_pillows_own_limit_is_refused_as_well(encode: Any) -> None:
    header = bytearray(encode((1, 2, 3)))
    header[16:24] = (30_000).to_bytes(4, "big") * 2
    import zlib

    header[29:33] = zlib.crc32(header[12:29]).to_bytes(4, "big")
    with pytest.raises(BadImage, match="50 megapixels"):
        decode(bytes(header), RGB)
