"""The contents of a model file as plain records: inputs, outputs, operators, costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edgecv.core.display import Displayed
from edgecv.core.records import TensorFacts

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
    """Names of the sides that are -1, in order; empty words where the file gives none."""
    has_shape: bool = True
    """False where the file does not even say how many sides there are."""


@dataclass(frozen=True)
class Operator:
    """One operator or layer of a file, and what it costs in one call.

    A batch that is left open counts as one image. ``macs`` is None where it cannot be known.
    """

    name: str
    type: str
    output_shape: tuple[int, ...] | None
    """With -1 for sides that stay open for one image; None where it is not known."""
    parameters: int
    macs: int | None
    activation_type: str
    weight_type: str
    """The type of its largest constant as it is stored; empty where there is none."""
    weight_scales: int
    """The number of scales of that constant: one, one a channel, or none."""
    weight_bytes: int
    """The size of its constants as stored; those of an earlier operator are not counted again."""
    arithmetic: Arithmetic


@dataclass(frozen=True)
class Contents:
    """The contents of one file, by its own tables."""

    format: str
    facts: Mapping[str, str]
    """Maker, versions, operator sets, named as the format names them."""
    inputs: tuple[End, ...]
    outputs: tuple[End, ...]
    operators: tuple[Operator, ...]
    parameters: int
    macs: int
    """The sum of all that are known."""
    peak_activation_bytes: int | None
    """Operators in order, each tensor from its producer to its last consumer; None: not known.

    What a converter would fold costs nothing: conversions around a quantized operator, an
    activation behind one operator, what works in place in Keras.
    """
    peak_activation_bytes_int8: int | None = None
    """The same with a byte an element: of Keras models, whose elements have four."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inspection(Displayed):
    """A file and its contents."""

    path: str
    bytes: int
    gzip_bytes: int
    contents: Contents


def total_macs(operators: tuple[Operator, ...]) -> int:
    """Add up what is known."""
    return sum(each.macs or 0 for each in operators)
