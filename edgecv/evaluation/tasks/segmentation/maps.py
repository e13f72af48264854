"""Maps of classes from the outputs of a file: its shape and its values show what they are."""

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Outputs, PixelClasses, Predictions
from edgecv.evaluation.tasks.classification.probabilities import ROUNDING, as_probabilities

Maps = NDArray[np.uint8]
"""The class of each pixel: uint8 (N, H, W)."""
MOST_CLASSES = 255
CHANNELS_FIRST = "its classes stand before height and width"
ONE_LOGIT = "it gives one logit a pixel: the first class where it is below 0, else the second"
ONE_PROBABILITY = "it gives one probability a pixel: that of the second of two classes"


def as_maps(values: Predictions, scale: float | None) -> tuple[Predictions, tuple[str, ...]]:
    """Return probabilities, float32 (N, H, W, classes), and notes on what was converted.

    Maps that hold numbers of classes stay as they are: (N, H, W, 1). ``scale`` of outputs that were
    integers. Raises ValueError, with what was found, where the outputs are neither.
    """
    maps = channels_last(values)
    notes: tuple[str, ...] = () if maps.shape[1:] == values.shape[1:] else (CHANNELS_FIRST,)
    if values.ndim == 3:
        notes = ()
    if maps.shape[-1] > 1:
        probabilities, found = _as_probabilities(maps, scale)
        return probabilities, (*notes, *found)
    if are_class_numbers(maps):
        return maps, notes
    if maps.min() < -ROUNDING or maps.max() > 1 + ROUNDING:
        pairs = np.concatenate([np.zeros_like(maps), maps], axis=-1)
        return _as_probabilities(pairs, scale)[0], (*notes, ONE_LOGIT)
    return np.concatenate([1 - maps, maps], axis=-1), (*notes, ONE_PROBABILITY)


def _as_probabilities(
    maps: Predictions, scale: float | None
) -> tuple[Predictions, tuple[str, ...]]:
    sums = maps.sum(axis=-1)
    if maps.min() >= -ROUNDING and np.abs(sums - 1).max() <= ROUNDING:
        return maps, ()
    rows, notes = as_probabilities(maps.reshape(-1, maps.shape[-1]), scale)
    return rows.reshape(maps.shape), notes


def channels_last(values: Predictions) -> Predictions:
    """Return maps with the classes on the last axis: (N, H, W, K), (N, K, H, W) or (N, H, W).

    The axis of the classes is the one that differs from two equal ones, else the shorter. Raises
    ValueError where the outputs are no maps.

    >>> channels_last(np.zeros((5, 3, 32, 32), np.float32)).shape
    (5, 32, 32, 3)
    """
    if values.ndim == 3:
        return values[..., np.newaxis]
    if values.ndim != 4:
        raise ValueError(f"gives outputs of shape {list(values.shape[1:])}, which are no maps")
    return np.moveaxis(values, 1, -1) if _is_channels_first(values.shape[1:]) else values


def _is_channels_first(shape: tuple[int, ...]) -> bool:
    first, rows, last = shape
    return first < last if (rows in (first, last)) == (first == last) else rows == last


def channels(shape: tuple[int, ...]) -> int:
    """Return the channels of a map by its shape for one image.

    >>> channels((32, 32, 21)), channels((3, 32, 32)), channels((32, 32))
    (21, 3, 1)
    """
    return 1 if len(shape) == 2 else shape[0 if _is_channels_first(shape) else -1]


def are_class_numbers(maps: Predictions) -> bool:
    """Return True if maps of one channel hold numbers of classes, not probabilities or logits."""
    is_whole = bool((maps == np.rint(maps)).all())
    return is_whole and maps.min() >= 0 and maps.max() < MOST_CLASSES


def form_of(values: Predictions) -> PixelClasses:
    """Return the form in which maps hold a class for each pixel.

    >>> form_of(np.zeros((5, 3, 32, 32), np.float32)), form_of(np.full((5, 8, 8, 1), -0.5))
    ('scores first', 'logit')
    """
    maps = channels_last(values)
    if maps.shape[-1] > 1:
        return "scores last" if maps.shape == values.shape else "scores first"
    if are_class_numbers(maps):
        return "numbers"
    return "logit" if maps.min() < -ROUNDING or maps.max() > 1 + ROUNDING else "probability"


def class_maps(outputs: Outputs, size: tuple[int, int] | None = None) -> Maps:
    """Return the likeliest class of each pixel, for maps of ``size``: height and width.

    Probabilities of another size are resized before: bilinear, as pixels are squares.
    """
    maps = channels_last(outputs.only)
    is_resized = size is not None and size != maps.shape[1:3]
    if maps.shape[-1] > 1:
        found = resized(as_maps(maps, None)[0], size) if is_resized and size else maps
        likeliest: Maps = found.argmax(axis=-1).astype(np.uint8)
        return likeliest
    if are_class_numbers(maps):
        numbers = maps[..., 0].astype(np.uint8)
        return nearest(numbers, size) if is_resized and size else numbers
    limit = 0.0 if maps.min() < -ROUNDING or maps.max() > 1 + ROUNDING else 0.5
    found = resized(maps, size) if is_resized and size else maps
    return (found[..., 0] >= limit).astype(np.uint8)


def resized(maps: Predictions, size: tuple[int, int]) -> Predictions:
    """Resize maps, bilinear: float32 (N, h, w, K) -> (N, H, W, K).

    >>> resized(np.array([[[[0.0], [1.0]]]], np.float32), (1, 4)).ravel().tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    rows, columns = (_weights(*each) for each in zip(maps.shape[1:3], size, strict=True))
    found = np.einsum("Hh,nhwk->nHwk", rows, maps, optimize=True)
    whole: Predictions = np.einsum("Ww,nhwk->nhWk", columns, found, optimize=True)
    return whole


def _weights(given: int, wanted: int) -> NDArray[np.float32]:
    """Return the part of each given place in each wanted one: float32 (wanted, given)."""
    places = np.clip((np.arange(wanted) + 0.5) * given / wanted - 0.5, 0, given - 1)
    below = np.minimum(places.astype(np.int64), max(0, given - 2))
    weights = np.zeros((wanted, given), np.float32)
    weights[np.arange(wanted), below] = 1 - (places - below)
    weights[np.arange(wanted), np.minimum(below + 1, given - 1)] += places - below
    return weights


def nearest(maps: Maps, size: tuple[int, int]) -> Maps:
    """Resize maps of classes, each pixel the nearest one: (N, h, w) -> (N, H, W)."""
    rows, columns = (
        (np.arange(wanted) + 0.5) * given // wanted
        for given, wanted in zip(maps.shape[1:], size, strict=True)
    )
    return maps[:, rows.astype(np.int64)][:, :, columns.astype(np.int64)]
