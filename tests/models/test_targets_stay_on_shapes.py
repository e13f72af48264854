"""Box, mask and keypoints of a drawn shape stay on it, whatever becomes of its image."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgecv.core.targets import IGNORED, NO_BOX, together
from edgecv.datasets.image_tree.decoding import fit
from edgecv.datasets.placement import Placement, Resize, resized
from edgecv.models.tf import load_tensorflow
from edgecv.models.training.augmentation import BatchMove

BLUR = 1.0
"""Pixels of an edge that resampling makes neither bright nor dark."""


@st.composite
def drawn(draw: Any) -> tuple[Any, tuple[int, int, int, int]]:
    """Draw a white rectangle on black: uint8 (H, W, 3), and left, top, right, bottom."""
    width, height = draw(st.integers(20, 90)), draw(st.integers(20, 90))
    left, top = draw(st.integers(0, width - 8)), draw(st.integers(0, height - 8))
    right, bottom = draw(st.integers(left + 8, width)), draw(st.integers(top + 8, height))
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[top:bottom, left:right] = 255
    return pixels, (left, top, right, bottom)


def check(pixels: Any, box: Any, scale: tuple[float, float]) -> None:
    """Check that pixels are bright inside of a box, and dark outside of it."""
    margins = [max(BLUR, each) for each in scale]
    x, y = np.arange(pixels.shape[1]) + 0.5, np.arange(pixels.shape[0])[:, None] + 0.5
    left, top, right, bottom = box
    inner = (
        (x > left + margins[0]) & (x < right - margins[0])
        & (y > top + margins[1]) & (y < bottom - margins[1])
    )  # fmt: skip
    outer = (
        (x < left - margins[0]) | (x > right + margins[0])
        | (y < top - margins[1]) | (y > bottom + margins[1])
    )  # fmt: skip
    assert (pixels[inner] > 127).all()
    assert (pixels[outer] < 128).all()


@settings(max_examples=150, deadline=None)
@given(
    shape=drawn(),
    size=st.tuples(st.integers(24, 80), st.integers(24, 80)),
    resize=st.sampled_from(["stretch", "crop", "pad"]),
)
def test_through_resizing(shape: Any, size: tuple[int, int], resize: Resize) -> None:
    pixels, (left, top, right, bottom) = shape
    to = (*size, 3)
    fitted, _ = fit(Image.fromarray(pixels), to, resize)
    move = Placement.of((pixels.shape[1], pixels.shape[0]), to, resize)
    check(fitted[..., 0], moved_box := raw_box(move, shape[1]), move.scale)

    boxes = move.boxes(np.array([[3, left, top, right, bottom]], np.float32))[0]
    inside = np.clip(moved_box, 0, [size[1], size[0]] * 2)
    if boxes[0] == NO_BOX:
        assert resize == "crop"
        np.testing.assert_array_equal(boxes[1:], 0)
    else:
        np.testing.assert_allclose(boxes, [3, *inside], atol=1e-4)

    mask = move.maps((pixels[None, ..., 0] > 0).astype(np.uint8))[0]
    known = mask != IGNORED
    check(np.where(known, mask, 0) * 255, moved_box, (0.5, 0.5))
    assert known.all() == (resize != "pad" or fills(move, pixels))

    points = [[(left + right) / 2, (top + bottom) / 2, 1], [left + 0.5, top + 0.5, 1], [1, 1, 0]]
    centre, corner, hidden = move.points(np.array(points, np.float32))
    is_large = min(moved_box[2] - moved_box[0], moved_box[3] - moved_box[1]) > 2
    if centre[2] and is_large:
        assert mask[min(int(centre[1]), size[0] - 1), min(int(centre[0]), size[1] - 1)] == 1
    if corner[2]:
        assert (moved_box[:2] <= corner[:2]).all()
        assert (corner[:2] <= moved_box[2:]).all()
    assert hidden.tolist() == [0, 0, 0]


def raw_box(move: Placement, box: Any) -> Any:
    return np.array(box) * [*move.scale, *move.scale] + [*move.offset, *move.offset]


def fills(move: Placement, pixels: Any) -> bool:
    sides = np.array(pixels.shape[1::-1]) * move.scale
    return bool(np.allclose(sides, move.shape[1::-1]))


def test_arrays_and_files_move_alike() -> None:
    masks = np.random.default_rng(0).integers(0, 5, (4, 20, 30)).astype(np.uint8)
    boxes = np.tile(np.float32([1, 3, 4, 13, 14]), (4, 1, 1))
    moved, left = resized(together({"mask": masks, "boxes": boxes}), (30, 20), (40, 15, 3))
    assert left == ()
    np.testing.assert_array_equal(moved["boxes"][0], [[1, 1.5, 8, 6.5, 28]])
    for mask, expected in zip(moved["mask"], masks, strict=True):
        nearest = Image.fromarray(expected).resize((15, 40), Image.Resampling.NEAREST)
        np.testing.assert_array_equal(mask, np.asarray(nearest))


@settings(max_examples=25, deadline=None)
@given(
    shapes=st.lists(drawn(), min_size=1, max_size=4),
    offsets=st.lists(st.integers(0, 8), min_size=8, max_size=8),
    mirrored=st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_through_augmentation(shapes: Any, offsets: list[int], mirrored: list[bool]) -> None:
    tensorflow, _ = load_tensorflow()
    side, margin, count = 32, 4, len(shapes)
    to = (side, side, 3)
    images = np.stack([fit(Image.fromarray(pixels), to)[0] for pixels, _ in shapes])
    moves = [Placement.of(pixels.shape[1::-1], to) for pixels, _ in shapes]
    placed = list(zip(moves, shapes, strict=True))
    drawn_masks = [(pixels[None, ..., :1] > 0).astype(np.uint8) for pixels, _ in shapes]
    masks = np.stack([m.maps(each)[0] for m, each in zip(moves, drawn_masks, strict=True)])
    boxes = np.array([raw_box(m, box) for m, (_, box) in placed], np.float32)
    batch = BatchMove(
        tensorflow.constant(
            [[[each] for each in part[:count]] for part in (offsets[:4], offsets[4:])]
        ),
        tensorflow.constant([[each] for each in mirrored[:count]]),
        margin,
        (side, side),
    )
    pixels, moved_masks = batch.pixels(images).numpy(), batch.pixels(masks).numpy()
    x, y = batch.points(*(tensorflow.constant(boxes[:, axis::2]) for axis in (0, 1)))
    for row in range(count):
        ends = np.array([*sorted(x[row].numpy()), *y[row].numpy()])[[0, 2, 1, 3]].clip(0, side)
        (left, top, right, bottom), edge = ends, max(1.0, *moves[row].scale)
        rows, columns = np.mgrid[:side, :side] + 0.5
        inner = (columns > left + edge) & (columns < right - edge)
        inner &= (rows > top + edge) & (rows < bottom - edge)
        assert (pixels[row][inner] > 127).all()
        assert (moved_masks[row][inner] == 1).all()
        assert ((pixels[row][..., 0] > 127) == (moved_masks[row][..., 0] == 1)).mean() > 0.85
        if min(right - left, bottom - top) > 2:
            assert moved_masks[row][int((top + bottom) / 2), int((left + right) / 2), 0] == 1
