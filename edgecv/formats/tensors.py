"""Checks of the tensors that a runtime takes and gives, and predictions on several threads."""

import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import RuntimeFailure, UnsuitableFile
from edgecv.core.input_spec import InputSpec
from edgecv.core.records import Images, Predictions, SessionFacts, TensorFacts
from edgecv.core.text import counted, printable
from edgecv.formats.image_axes import ImageAxes, image_axes
from edgecv.formats.image_input import pixel_encoder, preprocessing_of

LARGEST_SLICE = 64


def facts_of(
    path: Path,
    taken: TensorFacts,
    given: TensorFacts,
    input_spec: InputSpec,
    input_types: Sequence[str],
    output_types: Sequence[str],
) -> tuple[SessionFacts, Callable[[Images], NDArray[Any]]]:
    """Return the facts of a file that takes an image, and the function that encodes its input.

    Raises UnsuitableFile if its input is not an image, or a tensor is of an unknown type.
    """
    axes = image_axes(path, taken, input_spec, given.shape)
    for tensor, types in ((taken, input_types), (given, output_types)):
        _check_type(path, tensor, types)
    if np.dtype(given.type).kind != "f" and given.scale is None:
        _refuse_without_scale(path, given)
    # uint8 needs no scale, as pixels are uint8; any other integer means nothing without one.
    if np.dtype(taken.type).kind != "f" and taken.type != "uint8" and taken.scale is None:
        _refuse_without_scale(path, taken)
    channels = axes.image[2]
    asked, notes = preprocessing_of(path, taken, input_spec, channels)
    facts = SessionFacts(taken, given, axes.image, (*_notes_on(axes), *notes), axes.order)
    return facts, pixel_encoder(taken, axes.order, asked, channels)


def _notes_on(axes: ImageAxes) -> Iterator[str]:
    """Yield sentences on axes that are not images, height, width and channels in this order."""
    order = axes.order
    if "C" not in order:
        yield "it takes grey images without an axis for their channel"
    elif order.index("C") < order.index("H"):
        yield "it takes channels before height and width"
    if "N" not in order:
        yield "it takes one image, without an axis for a batch"
    elif not order.startswith("N"):
        yield "it takes the images of a batch along its last axis"


def classes_of(path: Path, tensor: TensorFacts, shape: Sequence[int], axes: str = "NHWC") -> int:
    """Return the number of values that an output of ``shape`` holds for one image.

    ``axes``: those of the input. Raises UnsuitableFile if more than one axis is longer than 1,
    beside that of the batch.
    """
    behind = shape[1:] if axes.startswith("N") else shape
    if axes.endswith("N") and len(shape) > 1:
        behind = shape[:-1]
    sides = [length for length in behind if length != 1]
    if not behind or len(sides) > 1 or min(behind) < 1:
        raise UnsuitableFile(
            str(path),
            f'its output "{tensor.name}" has shape {list(shape)}',
            accepted="one row of numbers for an image: [batch, classes]",
        )
    return sides[0] if sides else 1


def _check_type(path: Path, tensor: TensorFacts, types: Sequence[str]) -> None:
    if tensor.type not in types:
        raise UnsuitableFile(
            str(path), f'its tensor "{tensor.name}" is {tensor.type}', accepted=", ".join(types)
        )
    if tensor.scale is None:
        return
    zero_point = tensor.zero_point or 0
    limits = np.iinfo(tensor.type) if np.dtype(tensor.type).kind != "f" else None
    if not (np.isfinite(tensor.scale) and tensor.scale > 0) or (
        limits is not None and not limits.min <= zero_point <= limits.max
    ):
        raise RuntimeFailure(
            str(path),
            f'its tensor "{tensor.name}" has scale {tensor.scale} and zero point {zero_point}',
            accepted=f"a scale above 0 and a zero point that {tensor.type} can hold",
        )


def _refuse_without_scale(path: Path, tensor: TensorFacts) -> None:
    raise UnsuitableFile(
        str(path),
        f'its tensor "{tensor.name}" is {tensor.type} and does not say its scale',
        accepted="float32, or an integer with a scale and a zero point",
    )


def check_images(path: Path, facts: SessionFacts, images: Images) -> None:
    """Raise RuntimeFailure unless images are uint8 of the file's height, width and channels."""
    expected = list(facts.image)
    if images.dtype != np.uint8 or images.ndim != 4 or list(images.shape[1:]) != expected:
        raise RuntimeFailure(
            str(path),
            f"it takes images of {expected}, and was given {images.dtype} {list(images.shape)}",
            accepted=f"uint8 [images, {', '.join(map(str, expected))}]",
        )


def decode_output(tensor: TensorFacts, values: NDArray[Any]) -> Predictions:
    """Return the dequantized values of an output: (N, K) -> float32 (N, K)."""
    if tensor.scale is None:
        return values.astype(np.float32, copy=False)
    steps = values.astype(np.float32) - np.float32(tensor.zero_point or 0)
    return steps * np.float32(tensor.scale)


def check_finite(path: Path, predictions: Predictions) -> Predictions:
    """Return predictions, float32 (N, K), unchanged. Raises RuntimeFailure if one is not finite."""
    bad = int(np.count_nonzero(~np.isfinite(predictions).all(axis=1)))
    if bad:
        raise RuntimeFailure(
            str(path), f"it gives NaN or infinity on {bad} of {counted(len(predictions), 'image')}"
        )
    return predictions


def run_slices(runners: Sequence[Callable[[slice], None]], count: int, multiple: int = 1) -> None:
    """Run slices that cover ``count`` images, each runner in its own thread.

    The length of every slice but the last is a multiple of ``multiple``. A runner takes the next
    slice when it is free, so results must not depend on the runner.
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


def first_line(error: BaseException) -> str:
    """Return the first line of a library's message, printable and at most 300 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = lines[0] if lines else type(error).__name__
    return printable(first)[:300]
