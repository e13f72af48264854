"""The axes of an image in a file's input, their order and lengths."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecv.core.artifact import TensorFacts
from edgecv.core.data import Shape
from edgecv.core.errors import UnsuitableFile
from edgecv.core.input_spec import InputSpec, Layout

OPEN = -1
"""The length of an axis that a file leaves open."""
CHANNELS = (1, 2, 3, 4)
CHANNELS_IN_FRONT = (1, 3)
"""Lengths of an axis before height and width that are taken for channels without ``--layout``."""
SMALLEST_SIDE = 5
"""The smallest height or width of an image where an axis is missing or the batch is not in front:
shorter axes are channels, or no image."""
BATCH_IN_FRONT = ("NHWC", "NCHW", "NHW")
OTHERS = ("HWC", "CHW", "HWCN", "CHWN")
"""Orders without a batch, and with the batch as their last axis."""


@dataclass(frozen=True)
class ImageAxes:
    """The axes of an input that takes images.

    ``order`` has a letter for each axis: N images, H height, W width, C channels. An input without
    N takes one image, one without C takes grey images.
    """

    order: str
    image: Shape
    """Height, width and channels of an image."""
    batch: int
    """Images of one run, -1 where that is open."""

    def shape(self, images: int) -> list[int]:
        """Return the shape of the input for some images."""
        lengths = dict(zip("NHWC", (images, *self.image), strict=True))
        return [lengths[letter] for letter in self.order]


def image_axes(
    path: Path, tensor: TensorFacts, input_spec: InputSpec, answers: Sequence[int] = ()
) -> ImageAxes:
    """Return the axes of an input that takes images. ``answers``: the shape of the output.

    Raises UnsuitableFile if it takes none, if they are ambiguous, or contradict ``input_spec``.
    """
    order = _order(path, tensor, input_spec.layout, answers)
    lengths = dict(zip(order, tensor.shape, strict=True))
    sides = _sides(path, tensor, (lengths["H"], lengths["W"]), input_spec.input_size)
    return ImageAxes(order, (*sides, lengths.get("C", 1)), lengths.get("N", 1))


def _open_sides(sides: tuple[int, int]) -> str:
    names = [name for name, side in zip(("height", "width"), sides, strict=True) if side == OPEN]
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"


def batch_axis(shape: Sequence[int], axes: str, batch: int) -> int | None:
    """Return the axis of an output along which the images of a run lie; None where it has none.

    ``axes``, ``batch``: those of the input. Where the axis of the same place has another length, it
    is one in between: sequences come as (time, batch, classes) too.
    """
    usual = len(shape) - 1 if axes.endswith("N") else 0
    lengths = (OPEN, 1 if batch == OPEN else batch)
    places = (usual, *range(1, len(shape) - 1)) if "N" in axes and shape else ()
    return next((axis for axis in places if shape[axis] in lengths), None)


def is_open(tensor: TensorFacts) -> bool:
    """Return True if a side of an input's images may be open: not its batch, and not channels."""
    return OPEN in tensor.shape[1:]


def _sides(
    path: Path, tensor: TensorFacts, sides: tuple[int, int], asked: tuple[int, int] | None
) -> tuple[int, int]:
    if asked is None:
        if OPEN in sides:
            raise UnsuitableFile(
                str(path),
                f"{_described(tensor)}: its {_open_sides(sides)} open",
                accepted="images of one size",
                remedy="give --input-size HEIGHTxWIDTH",
            )
        return sides
    if any(side not in (OPEN, given) for side, given in zip(sides, asked, strict=True)):
        raise UnsuitableFile(
            str(path),
            f"{_described(tensor)}, and --input-size says {asked[0]}x{asked[1]}",
            remedy="leave --input-size out: it is for files that leave their size open",
        )
    return asked


def _order(path: Path, tensor: TensorFacts, asked: Layout | None, answers: Sequence[int]) -> str:
    possible = _possible(tensor.shape, asked, answers)
    if asked is not None and asked.upper() in possible:
        return asked.upper()
    fitting = [each for each in possible if asked is None or not _contradicts(each, asked)]
    if not fitting:
        given = f", and --layout says {asked}" if possible else ""
        raise UnsuitableFile(
            str(path),
            f"{_described(tensor)}{given}",
            accepted="images of one size: [batch, height, width, 1 to 4 channels], channels"
            " before height and width, or grey images without channels",
        )
    if len(fitting) > 1:
        raise UnsuitableFile(
            str(path),
            f"{_described(tensor)}, which may be either order of axes",
            remedy="give --layout nchw or --layout nhwc",
        )
    return fitting[0]


def _possible(shape: Sequence[int], asked: Layout | None, answers: Sequence[int]) -> list[str]:
    """Return the orders that a shape may have; those with the batch in front come first."""
    for orders in (BATCH_IN_FRONT, OTHERS):
        found = [
            order
            for order in orders
            if len(order) == len(shape)
            and _fits(dict(zip(order, shape, strict=True)), order, asked)
        ]
        found = [each for each in found if _fits_answers(each, shape, answers)]
        if found:
            return found
    return []


def _fits(lengths: dict[str, int], order: str, asked: Layout | None) -> bool:
    """Return True if the lengths of the axes may be those of images in this order."""
    if any(length != OPEN and length < 1 for length in lengths.values()):
        return False
    is_in_front = order.find("C") < order.find("H")
    in_front = CHANNELS if asked == "nchw" else CHANNELS_IN_FRONT
    if "C" in order and lengths["C"] not in (in_front if is_in_front else CHANNELS):
        return False
    if order in ("NHWC", "NCHW"):
        return True
    if order.endswith("N") and lengths["N"] not in (OPEN, 1):
        return False
    # Rarer orders: the sides must be those of an image.
    known = [lengths[side] for side in "HW" if lengths[side] != OPEN]
    return min(known, default=0 if order == "NHW" else SMALLEST_SIDE) >= SMALLEST_SIDE


def _fits_answers(order: str, shape: Sequence[int], answers: Sequence[int]) -> bool:
    """Return False if the output is for another number of images than a fixed batch."""
    batch = shape[order.index("N")] if "N" in order else 1
    if not answers or batch in (OPEN, 1):
        return True
    return len(answers) > 1 and batch_axis(answers, order, batch) is not None


def _contradicts(order: str, asked: Layout) -> bool:
    is_in_front = order.find("C") < order.find("H")
    return "C" in order and is_in_front != (asked == "nchw")


def _described(tensor: TensorFacts) -> str:
    return f'its input "{tensor.name}" has shape {list(tensor.shape)}'
