"""Shapes of the input and the outputs of a model."""

from typing import Annotated

from pydantic import Field

from edgecv.core.data import Shape
from edgecv.core.options import Options


class OutputShape(Options):
    """One output of a model."""

    name: str
    shape: Annotated[tuple[int, ...], Field(strict=False)]
    """Its shape for one image: (K,) where it is one row of numbers."""
    ending: str = "numbers"
    """The kind of its numbers, as ``Task.fits`` takes it, where the model has several outputs."""


class ModelShapes(Options):
    """The shapes of a model for one image."""

    shape: Annotated[Shape, Field(strict=False)]
    """Height, width and channels of its input."""
    outputs: Annotated[tuple[OutputShape, ...], Field(strict=False)]
