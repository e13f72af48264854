"""How a file of another maker is to be read, where it does not say so itself."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from edgecv.core.errors import InputError
from edgecv.core.options import Options
from edgecv.core.preprocessing import Preprocessing, named

LARGEST_SIDE = 4096
Side = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]
Layout = Literal["nchw", "nhwc"]
LAYOUTS = get_args(Layout)


class InputSpec(Options):
    """What a session does with an image before the file sees it."""

    preprocess: Preprocessing | None = None
    """What is done to pixels of 0..255; None where the file's own input says it."""
    layout: Layout | None = None
    """Whether channels stand before height and width or behind; None where the shape says it."""
    input_size: Annotated[tuple[Side, Side], Field(strict=False)] | None = None
    """Height and width for a file that leaves them open."""


DEFAULT_INPUT = InputSpec()


def input_spec_of(
    preprocess: str | None = None, layout: str | None = None, input_size: str | None = None
) -> InputSpec:
    """Return what flags say. Raises InputError that names the flag.

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
