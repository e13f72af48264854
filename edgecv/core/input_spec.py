"""Input of a model file of another maker, where the file does not describe it."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from edgecv.core.errors import InputError
from edgecv.core.options import Options
from edgecv.core.preprocessing import Preprocessing, named

LARGEST_SIDE = 4096
Side = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]
"""Pixels along one side of an image."""
SizeOfImages = Annotated[tuple[Side, Side], Field(strict=False)]
"""Height and width of images."""
Layout = Literal["nchw", "nhwc"]
LAYOUTS = get_args(Layout)


class InputSpec(Options):
    """Preparation of an image for a model: pixel arithmetic, axis order and size."""

    preprocess: Preprocessing | None = None
    """Arithmetic on pixels of 0..255; None where the file's own input defines it."""
    layout: Layout | None = None
    """Position of the channels, before or after height and width; None where the shape shows it."""
    input_size: SizeOfImages | None = None
    """Height and width for a file whose input has no fixed size."""


DEFAULT_INPUT = InputSpec()


def input_spec_of(
    preprocess: str | None = None, layout: str | None = None, input_size: str | None = None
) -> InputSpec:
    """Return the input that flags describe. Raises InputError that names the flag.

    >>> input_spec_of(layout="nchw", input_size="96x128").input_size
    (96, 128)
    """
    options = {
        "preprocess": None if preprocess is None else named(preprocess, "--preprocess"),
        "layout": layout,
        "input_size": None if input_size is None else _size(input_size),
    }
    if layout not in (None, *LAYOUTS):
        raise InputError("--layout", f'"{layout}"', accepted=", ".join(LAYOUTS))
    return InputSpec.model_validate(options)


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    sides = [int(each) if each.isdecimal() and each.isascii() else 0 for each in (height, width)]
    if not all(1 <= side <= LARGEST_SIDE for side in sides):
        raise InputError(
            "--input-size", f'"{text}"', accepted=f"HEIGHTxWIDTH, each up to {LARGEST_SIDE}"
        )
    return sides[0], sides[1]
