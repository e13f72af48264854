"""What all runtimes share: which tensors can be used, and pixels in and probabilities out."""

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.errors import RuntimeFailure
from edgecv.records import Images, Predictions, SessionFacts, TensorFacts

CHANNELS = (1, 2, 3, 4)
PIXELS = 256
LARGEST_SLICE = 64


def check_facts(
    path: Path, facts: SessionFacts, input_types: Sequence[str], output_types: Sequence[str]
) -> None:
    """Refuse an artifact that does not take an image and give a row of numbers for it."""
    taken, given = facts.input, facts.output
    if len(taken.shape) != 4 or taken.shape[3] not in CHANNELS or min(taken.shape[1:]) < 1:
        raise RuntimeFailure(
            str(path),
            f'its input "{taken.name}" has shape {list(taken.shape)}',
            accepted="images of one size: [batch, height, width, 1 to 4 channels]",
        )
    if len(given.shape) != 2 or given.shape[1] < 1:
        raise RuntimeFailure(
            str(path),
            f'its output "{given.name}" has shape {list(given.shape)}',
            accepted="one row of numbers for an image: [batch, classes]",
        )
    for tensor, types in ((taken, input_types), (given, output_types)):
        _check_type(path, tensor, types)
    if given.type != "float32" and given.scale is None:
        _refuse_without_scale(path, given)
    # Bytes need no scale: an image is bytes. Any other integer says nothing without one.
    if taken.type not in ("float32", "uint8") and taken.scale is None:
        _refuse_without_scale(path, taken)


def _check_type(path: Path, tensor: TensorFacts, types: Sequence[str]) -> None:
    if tensor.type not in types:
        raise RuntimeFailure(
            str(path), f'its tensor "{tensor.name}" is {tensor.type}', accepted=", ".join(types)
        )
    if tensor.scale is None:
        return
    zero_point = tensor.zero_point or 0
    limits = np.iinfo(tensor.type) if tensor.type != "float32" else None
    if not (np.isfinite(tensor.scale) and tensor.scale > 0) or (
        limits is not None and not limits.min <= zero_point <= limits.max
    ):
        raise RuntimeFailure(
            str(path),
            f'its tensor "{tensor.name}" has scale {tensor.scale} and zero point {zero_point}',
            accepted=f"a scale above 0 and a zero point that {tensor.type} can hold",
        )


def _refuse_without_scale(path: Path, tensor: TensorFacts) -> None:
    raise RuntimeFailure(
        str(path),
        f'its tensor "{tensor.name}" is {tensor.type} and does not say its scale',
        accepted="float32, or an integer with a scale and a zero point",
    )


def check_images(path: Path, facts: SessionFacts, images: Images) -> None:
    """Refuse images that are not uint8 of the artifact's own height, width and channels."""
    expected = list(facts.input.shape[1:])
    if images.dtype != np.uint8 or images.ndim != 4 or list(images.shape[1:]) != expected:
        raise RuntimeFailure(
            str(path),
            f"it takes images of {expected}, and was given {images.dtype} {list(images.shape)}",
            accepted=f"uint8 [images, {', '.join(map(str, expected))}]",
        )


def pixel_encoder(tensor: TensorFacts) -> Callable[[Images], NDArray[Any]]:
    """Return what turns uint8 pixels into the type that the input takes, same shape.

    >>> encode = pixel_encoder(TensorFacts("image", (1, 1, 1, 1), "int8", 1.0, -128))
    >>> encode(np.array([0, 128, 255], np.uint8))
    array([-128,    0,  127], dtype=int8)
    """
    kind = np.dtype(tensor.type)
    if kind == np.float32 and tensor.scale is None:
        return lambda images: images.astype(np.float32, order="C")
    pixels = np.arange(PIXELS)
    limits = np.iinfo(kind)
    scaled = np.round(pixels / (tensor.scale or 1.0)) + (tensor.zero_point or 0)
    table = np.clip(scaled, limits.min, limits.max).astype(kind)
    if kind == np.uint8 and np.array_equal(table, pixels):
        return np.ascontiguousarray
    # A pixel has 256 values, so a table of them all replaces the arithmetic.
    return table.take


def decode_output(tensor: TensorFacts, values: NDArray[Any]) -> Predictions:
    """Return what an output's values stand for: (N, K) -> float32 (N, K)."""
    if tensor.scale is None:
        return values.astype(np.float32, copy=False)
    steps = values.astype(np.float32) - np.float32(tensor.zero_point or 0)
    return steps * np.float32(tensor.scale)


def check_finite(path: Path, predictions: Predictions) -> Predictions:
    """Return float32 (N, K) as it is. Raises RuntimeFailure where a number in it is not one."""
    bad = int(np.count_nonzero(~np.isfinite(predictions).all(axis=1)))
    if bad:
        raise RuntimeFailure(
            str(path), f"it gives NaN or infinity on {bad} of {len(predictions)} images"
        )
    return predictions


def run_slices(runners: Sequence[Callable[[slice], None]], count: int, multiple: int = 1) -> None:
    """Give slices that cover ``count`` images to the runners, each runner in its own thread.

    Every slice but the last holds a multiple of ``multiple``. Which runner gets which slice
    depends on the machine, so a runner's answer may not depend on it.
    """
    size = max(1, min(LARGEST_SLICE, count // (4 * len(runners)))) // multiple * multiple
    size = max(size, multiple)
    waiting: queue.SimpleQueue[slice] = queue.SimpleQueue()
    for start in range(0, count, size):
        waiting.put(slice(start, min(start + size, count)))

    def drain(runner: Callable[[slice], None]) -> None:
        while True:
            try:
                part = waiting.get_nowait()
            except queue.Empty:
                return
            runner(part)

    if len(runners) == 1:
        drain(runners[0])
        return
    with ThreadPoolExecutor(len(runners)) as pool:
        for future in [pool.submit(drain, runner) for runner in runners]:
            future.result()


def one_line(error: BaseException) -> str:
    """Return the first line of a library's message, printable and at most 300 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = lines[0] if lines else type(error).__name__
    return "".join(c if c.isprintable() else "?" for c in first)[:300]
