"""Checks of the tensors that a runtime takes and gives, and predictions on several threads."""

import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.artifact import SessionFacts, TensorFacts
from edgecv.core.data import Images, Outputs, Predictions
from edgecv.core.errors import RuntimeFailure, StepError, UnsuitableFile
from edgecv.core.input_spec import InputSpec
from edgecv.core.text import counted
from edgecv.formats.image_axes import OPEN, ImageAxes, batch_axis, image_axes
from edgecv.formats.image_input import pixel_encoder, preprocessing_of

LARGEST_SLICE = 64
INTEGERS = ("uint8", "int8", "uint16", "int16")
"""Types of numbers that mean nothing without a scale."""
WHOLE_NUMBERS = ("int32", "int64", "bool")
"""Types of counts, indices and decisions, which have no scale."""


def facts_of(
    path: Path,
    taken: TensorFacts,
    given: Sequence[TensorFacts],
    input_spec: InputSpec,
    input_types: Sequence[str],
    output_types: Sequence[str],
) -> tuple[SessionFacts, Callable[[Images], NDArray[Any]]]:
    """Return the facts of a file that takes an image, and the function that encodes its input.

    The shapes of its answers are those that it declares, none where it leaves one open: see
    ``with_answers``. Raises UnsuitableFile if its input is not an image, or a tensor is of an
    unknown type.
    """
    axes = image_axes(path, taken, input_spec, given[0].shape)
    _check_type(path, taken, input_types)
    for tensor in given:
        _check_type(path, tensor, (*output_types, *WHOLE_NUMBERS))
        if tensor.type in INTEGERS and tensor.scale is None:
            _refuse_without_scale(path, tensor)
    # uint8 needs no scale, as pixels are uint8; any other integer means nothing without one.
    if np.dtype(taken.type).kind != "f" and taken.type != "uint8" and taken.scale is None:
        _refuse_without_scale(path, taken)
    channels = axes.image[2]
    asked, notes = preprocessing_of(path, taken, input_spec, channels)
    notes = (*_notes_on(axes), *notes)
    facts = SessionFacts(taken, tuple(given), (), axes.image, notes, axes.order)
    if not any(OPEN in each.shape[1:] or not each.shape for each in given):
        facts = with_answers(path, facts, [each.shape for each in given])
    return facts, pixel_encoder(taken, axes.order, asked, channels)


def other_ends(path: Path, found: str) -> UnsuitableFile:
    """Return the error for a file of several inputs, or of no outputs."""
    return UnsuitableFile(
        str(path),
        found,
        accepted="one input of images, and outputs",
        remedy="edgecv validate FILE --baseline FILE compares any outputs, bench times any file",
    )


def with_answers(path: Path, facts: SessionFacts, shapes: Sequence[Sequence[int]]) -> SessionFacts:
    """Return the facts with the shape of each output for one image.

    ``shapes``: those of a run. Raises UnsuitableFile as ``answer_shape`` does.
    """
    pairs = zip(facts.outputs, shapes, strict=True)
    answers = (answer_shape(path, each, shape, facts.axes, facts.batch) for each, shape in pairs)
    return replace(facts, answers=tuple(answers), run_shapes=tuple(map(tuple, shapes)))


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


def answer_shape(
    path: Path, tensor: TensorFacts, shape: Sequence[int], axes: str = "NHWC", batch: int = 1
) -> tuple[int, ...]:
    """Return the shape of an output for one image: (K,) where one axis alone is longer than 1.

    ``shape``: that of a run; ``axes``, ``batch``: those of the input. An output that has no axis
    for the batch belongs to the one image of a run. Raises UnsuitableFile where an axis is open or
    empty.
    """
    axis = batch_axis(shape, axes, batch)
    behind = [length for place, length in enumerate(shape) if place != axis]
    if not shape or min(behind, default=1) < 1:
        raise UnsuitableFile(
            str(path),
            f'its output "{tensor.name}" has shape {list(shape)}',
            accepted="outputs of a fixed shape for an image",
        )
    sides = [length for length in behind if length != 1]
    return tuple(behind) if len(sides) > 1 else (sides[0] if sides else 1,)


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
    """Return the dequantized values of an output: (N, ...) -> float32 (N, ...)."""
    if tensor.scale is None:
        return values.astype(np.float32, copy=False)
    steps = values.astype(np.float32) - np.float32(tensor.zero_point or 0)
    return steps * np.float32(tensor.scale)


def encode_output(values: Predictions, tensor: TensorFacts, where: str) -> NDArray[Any]:
    """Return reals as the file stores them: the inverse of ``decode_output``."""
    if tensor.scale is None:
        return values.astype(tensor.type)
    steps = np.rint(values.astype(np.float64) / tensor.scale) + (tensor.zero_point or 0)
    stored: NDArray[Any] = steps.astype(tensor.type)
    if not np.array_equal(decode_output(tensor, stored), values):
        raise StepError(where, f'gives "{tensor.name}" in steps that its scale does not explain')
    return stored


def finite_outputs(path: Path, facts: SessionFacts, values: Sequence[NDArray[Any]]) -> Outputs:
    """Return the dequantized values of each output, by name: (N, ...) -> float32 (N, ...).

    Raises RuntimeFailure if one is not finite.
    """
    found = {}
    for tensor, each in zip(facts.outputs, values, strict=True):
        found[tensor.name] = decode_output(tensor, each)
        are_finite = np.isfinite(found[tensor.name]).all(axis=tuple(range(1, each.ndim)))
        if bad := int(np.count_nonzero(~are_finite)):
            output = f' in its output "{tensor.name}"' if len(facts.outputs) > 1 else ""
            raise RuntimeFailure(
                str(path),
                f"it gives NaN or infinity{output} on {bad} of {counted(len(each), 'image')}",
            )
    return Outputs(found)


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
