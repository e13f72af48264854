"""Files of any inputs and outputs: the shapes of their inputs, and random values for them."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.artifact import TensorFacts
from edgecv.core.errors import RuntimeFailure, UnsuitableFile
from edgecv.core.input_spec import InputSpec
from edgecv.core.plugins import TensorSession
from edgecv.core.text import counted
from edgecv.formats.image_axes import OPEN, image_axes
from edgecv.formats.image_input import encoded, range_of, range_of_pixels

LARGEST_INPUT_BYTES = 2**30
IMAGE_AXES = 4
INDICES = 2
"""Integers without a scale may be indices into anything: 0 and 1 are valid in nearly every file."""


def with_known_shape(
    path: Path, tensor: TensorFacts, input_spec: InputSpec, batch: int = 1
) -> TensorFacts:
    """Return an input with its open axes filled: the batch, and the size of an image.

    Raises UnsuitableFile where another axis is open, where a flag contradicts it, or where it holds
    no numbers; RuntimeFailure where it is too large.
    """
    shape = tuple(
        batch if not number and length == OPEN else length
        for number, length in enumerate(tensor.shape)
    )
    is_asked = input_spec.input_size is not None or input_spec.layout is not None
    if OPEN in shape or (is_asked and len(shape) == IMAGE_AXES):
        if len(shape) not in (IMAGE_AXES - 1, IMAGE_AXES):
            raise UnsuitableFile(
                str(path),
                f'its input "{tensor.name}" has shape {list(tensor.shape)}: axes are open',
                accepted="inputs whose axes behind the batch are fixed, or images of an open size",
            )
        axes = image_axes(path, tensor, input_spec)
        shape = tuple(axes.shape(batch if axes.batch == OPEN else axes.batch))
    try:
        kind = np.dtype(tensor.type)
    except TypeError:
        kind = np.dtype(object)
    if kind.kind not in "fiub":
        raise UnsuitableFile(
            str(path), f'its input "{tensor.name}" is {tensor.type}', accepted="inputs of numbers"
        )
    if math.prod(shape) * kind.itemsize > LARGEST_INPUT_BYTES or min(shape, default=1) < 1:
        raise RuntimeFailure(
            str(path),
            f'its input "{tensor.name}" has shape {list(shape)}',
            accepted=f"inputs of 1 to {LARGEST_INPUT_BYTES:,} bytes",
        )
    return replace(tensor, shape=shape)


def plain_name(name: str) -> str:
    """Return the name of an input without what converters of TensorFlow add to the model's.

    >>> plain_name("serving_default_image:0")
    'image'
    """
    return name.removeprefix("serving_default_").removesuffix(":0")


def random_reals(
    tensor: TensorFacts, count: int, generator: np.random.Generator, input_spec: InputSpec
) -> NDArray[np.float64]:
    """Return ``count`` random samples of an input of known shape, as real numbers: (N, ...).

    Integers with a scale, and those of 8 bits, cover the whole range of their type; other integers
    and truth values are 0 or 1, and reals 0 to 1, or what the preprocessing makes of pixels.
    """
    size, kind = (count, *tensor.shape), np.dtype(tensor.type)
    if tensor.scale is not None:
        return generator.uniform(*range_of(tensor), size)
    if kind.kind == "f":
        choice = input_spec.preprocess
        ends = (0.0, 1.0) if choice is None else range_of_pixels(choice, 3)
        return generator.uniform(*ends, size)
    low, high = 0, INDICES - 1
    if kind in (np.uint8, np.int8):
        low, high = int(np.iinfo(kind).min), int(np.iinfo(kind).max)
    return generator.integers(low, high + 1, size).astype(np.float64)


class FileTensors(TensorSession, ABC):
    """An open file of any inputs and outputs, for a batch of some size."""

    def __init__(self, path: Path, input_spec: InputSpec, batch: int) -> None:
        self._path = path
        self._input_spec = input_spec
        self._batch = batch

    @property
    def images_of_a_call(self) -> int:  # type: ignore[override]
        """Images of a call: those that were asked for, or those of a fixed batch."""
        found = self._batch
        for tensor in self.ends.inputs:
            with suppress(UnsuitableFile):
                found = max(found, image_axes(self._path, tensor, self._input_spec).batch)
        return found

    def random_call(self) -> Callable[[], object]:
        """Return a function that runs it on random values, which are set beforehand.

        Raises UnsuitableFile where a batch does not give as many answers as it has samples.
        """
        generator = np.random.default_rng(0)
        values = [
            encoded(each, random_reals(each, 1, generator, self._input_spec)[0])
            for each in self.ends.inputs
        ]
        began = time.perf_counter()
        answers = self.run(values)
        self.first_call_s = time.perf_counter() - began
        found = {len(each) if each.ndim else 1 for each in answers}
        if self._batch > 1 and self._batch not in found:
            raise UnsuitableFile(
                str(self._path),
                f"it gives {counted(min(found), 'answer')} for {self._batch} images at once",
                accepted="a batch of 1",
            )
        return self.call(values)

    def answer(self, sample: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Return each output for one array of real numbers an input, as float64."""
        inputs = zip(self.ends.inputs, sample, strict=True)
        found = self.run([encoded(tensor, each.reshape(tensor.shape)) for tensor, each in inputs])
        pairs = zip(self.ends.outputs, found, strict=True)
        return [
            (each.astype(np.float64) - (tensor.zero_point or 0)) * (tensor.scale or 1.0)
            for tensor, each in pairs
        ]

    @abstractmethod
    def call(self, values: Sequence[NDArray[Any]]) -> Callable[[], object]:
        """Return a function that runs it on one array an input, set beforehand."""

    @abstractmethod
    def run(self, values: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the outputs for one array an input, in the type of the input."""
