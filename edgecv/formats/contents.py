"""The contents of a model file as plain records: inputs, outputs, operators, costs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from edgecv.core.artifact import TensorFacts
from edgecv.core.display import Displayed
from edgecv.core.errors import InputError

OPEN = -1
"""The length of a side that the file leaves open."""

Arithmetic = Literal["quantized", "weights only", "float", "conversion", "other"]
"""The arithmetic of an operator.

``quantized``: on integers that stand for reals. ``weights only``: its weights are integers, what
enters and leaves is float. ``float``: neither. ``conversion``: between the two. ``other``: on
indices, shapes, truth values.
"""


@dataclass(frozen=True)
class End(TensorFacts):
    """An input or output of a model. A side of the shape is -1 where the file leaves it open."""

    open_sides: tuple[str, ...] = ()
    """Names of the sides that are -1, in order; empty strings if the file gives none."""
    has_shape: bool = True
    """False if the file does not give the number of sides."""


@dataclass(frozen=True)
class Operator:
    """One operator or layer of a file, and what it costs in one call.

    An open batch counts as one image. ``macs`` is None if it is unknown.
    """

    name: str
    type: str
    output_shape: tuple[int, ...] | None
    """The shape for one image, with -1 for open sides; None if it is unknown."""
    parameters: int | None
    """Stored weights, without those that an earlier operator uses too; None if unknown."""
    macs: int | None
    activation_type: str
    weight_type: str
    """The stored type of its largest constant; empty if there is none."""
    weight_scales: int
    """The number of scales of that constant: none, one, or one per channel."""
    weight_bytes: int
    """The stored size of its constants, without those that an earlier operator uses too."""
    arithmetic: Arithmetic
    largest_code: int | None = None
    """The largest size of that constant's values, where it is int8 and its format is ONNX."""

    def __str__(self) -> str:
        return f'{self.type} "{self.name}"'


@dataclass(frozen=True)
class Contents:
    """The contents of one file, read from its own tables."""

    format: str
    facts: Mapping[str, str]
    """Producer, versions and operator sets, under the names that the format gives them."""
    inputs: tuple[End, ...]
    outputs: tuple[End, ...]
    operators: tuple[Operator, ...]
    parameters: int | None
    """None if that of an operator is unknown."""
    macs: int | None
    """None if that of an operator is unknown."""
    peak_activation_bytes: int | None
    """The most bytes that live at one time if operators run in order; None if unknown.

    A tensor lives from its producer to its last consumer. What a converter folds costs nothing:
    conversions around a quantized operator, an activation behind an operator, and what Keras
    computes in place.
    """
    peak_operator: str = ""
    """The type and name of the operator that runs then."""
    peak_input_bytes: int = 0
    """Bytes of the model's inputs among them."""
    peak_activation_bytes_int8: int | None = None
    """The same with one byte per element, for Keras models, whose elements take four."""
    notes: tuple[str, ...] = ()
    known_macs: int = 0
    """The sum over the operators whose count is known."""


@dataclass(frozen=True)
class ImageEntry:
    """The images that a file's only input takes."""

    shape: tuple[int, ...]
    """Height, width and channels."""
    axes: str
    """The order of the input's axes: N images, H height, W width, C channels."""
    preprocess: str | None
    """The pixels that it takes, as it was asked for or by the range of an integer input; None
    where neither says it."""


@dataclass(frozen=True)
class Inspection(Displayed):
    """A file and its contents."""

    path: str
    bytes: int
    gzip_bytes: int
    contents: Contents
    image: ImageEntry | None = None
    """The images that it takes; None if it takes others, or leaves their size open."""


def damaged_file(title: str, where: str, how: str) -> InputError:
    """Return the error for a damaged file of a format."""
    remedy = "convert or download it again"
    return InputError(where, f"is a damaged {title} file: {how}", remedy=remedy)


def total(costs: Iterable[int | None]) -> int | None:
    """Return a sum; None if a part of it is unknown.

    >>> total([2, 3]), total([2, None])
    (5, None)
    """
    known = list(costs)
    return None if None in known else known_total(known)


def known_total(costs: Iterable[int | None]) -> int:
    """Return the sum of the known costs."""
    return sum(each or 0 for each in costs)
