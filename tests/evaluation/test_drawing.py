"""Masks, boxes and keypoints on images."""

import numpy as np

from edgecv.evaluation.drawing import (
    AFTER,
    TRUTH,
    draw_boxes,
    draw_mask,
    draw_points,
    enlarged,
)

GREY = np.full((64, 64, 1), 90, np.uint8)


def places_of(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Return x and y of the pixels of a colour: int (N, 2)."""
    return np.argwhere((picture == colour).all(axis=2))[:, ::-1]


def test_an_image_is_large_enough_to_draw_on() -> None:
    picture, times = enlarged(GREY)
    assert (picture.shape, times) == ((256, 256, 3), 4)
    assert enlarged(np.zeros((300, 400, 3), np.uint8))[1] == 1


def test_points_lie_where_they_are_and_the_picture_before_is_kept() -> None:
    picture, times = enlarged(GREY)
    drawn = draw_points(picture, np.array([[16.0, 40.0]]) * times, TRUTH)
    np.testing.assert_allclose(places_of(drawn, TRUTH).mean(axis=0), [64, 160], atol=1)
    assert (picture == 90).all()
    assert drawn.dtype == np.uint8


def test_boxes_lie_where_they_are_even_with_swapped_ends() -> None:
    picture, _ = enlarged(GREY)
    drawn = draw_boxes(picture, np.array([[200.0, 60.0, 40.0, 20.0]]), AFTER)
    found = places_of(drawn, AFTER)
    assert (*found.min(axis=0), *found.max(axis=0)) == (40, 20, 200, 60)


def test_masks_are_filled() -> None:
    picture, _ = enlarged(GREY)
    marked = np.zeros(picture.shape[:2], bool)
    marked[10:20, 30:50] = True
    assert len(places_of(draw_mask(picture, marked, AFTER), AFTER)) == 200


def test_what_is_no_place_is_not_drawn() -> None:
    picture, _ = enlarged(GREY)
    points = np.array([[np.nan, 3.0], [np.inf, 3.0], [1e30, -1e30]])
    assert (draw_points(picture, points, AFTER) == picture).all()
    assert (draw_boxes(picture, np.full((1, 4), np.nan), AFTER) == picture).all()
    assert (draw_boxes(picture, np.zeros((0, 4)), AFTER) == picture).all()
