"""Windows that slide over an image: convolutions and pools."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgecv.formats.tflite.operators import TFLiteOperator, TFLiteTensor
from edgecv.targets.c.overlap import distance
from edgecv.targets.c.program import record
from edgecv.targets.c.tensors import LONGEST_SIDE, elements, sides, size
from edgecv.targets.c.unsupported import damaged_unless, same_sides

SAME, VALID = 0, 1
ACROSS = "HW"


@dataclass(frozen=True)
class WindowAxis:
    """A window on one axis of an image."""

    taps: int
    stride: int
    dilation: int
    pad: int

    def fields(self, side: str, axis: str, end: str) -> dict[str, object]:
        """Return it as fields of a struct in C."""
        return {
            side: self.taps,
            f"stride_{axis}": self.stride,
            f"dilation_{axis}": self.dilation,
            f"pad_{end}": self.pad,
        }


def axes(
    operator: TFLiteOperator, inputs: Sequence[int], outputs: Sequence[int], taps: Sequence[int]
) -> tuple[WindowAxis, WindowAxis]:
    """Return the window of an operator on both axes, checked against the sizes of its output."""
    found = []
    for across, input_side, output_side, tap in zip(ACROSS, inputs, outputs, taps, strict=True):
        stride = operator.option(f"Stride{across}")
        dilation = operator.option(f"Dilation{across}Factor", 1)
        for each in (stride, dilation, tap):
            damaged_unless(0 < each <= LONGEST_SIDE, f"its window has a size of {each}")
        span = (tap - 1) * dilation + 1
        same = operator.option("Padding") == SAME
        covered = input_side if same else input_side - span + 1
        same_sides([output_side], [-(-covered // stride)])
        pad = max((output_side - 1) * stride + span - input_side, 0) // 2 if same else 0
        found.append(WindowAxis(tap, stride, dilation, pad))
    return found[0], found[1]


@dataclass(frozen=True)
class Window:
    """A window with the images that it reads and writes, channels last."""

    source: TFLiteTensor
    output: TFLiteTensor
    axes: tuple[WindowAxis, WindowAxis]

    def __post_init__(self) -> None:
        for each in (self.source, self.output):
            damaged_unless(len(each.shape) == 4, f"{list(each.shape)} is no image")
        same_sides(self.output.shape[:1], self.source.shape[:1])

    def record(self) -> str:
        """Return C for its constant ``p``."""
        rows, columns = self.axes
        return record(
            "window",
            "p",
            **sides("input", self.source),
            **sides("output", self.output),
            **rows.fields("height", "y", "top"),
            **columns.fields("width", "x", "left"),
        )

    def repeated(self, call: str, places: tuple[str, str]) -> str:
        """Return a call for each image of a batch; ``places``: of input and output in it."""
        images = self.source.shape[0]
        if images == 1:
            return call
        for place, tensor in zip(places, (self.source, self.output), strict=True):
            call = call.replace(place, f"{place} + n * {elements(tensor) // images}")
        return f"for (int32_t n = 0; n < {images}; n++) {{\n    {call}\n}}"

    def above(self, *, transposed: bool = False) -> dict[int, int]:
        """Return how far the input must lie above the output, if they may share memory."""
        if self.source.shape[0] > 1:
            return {}
        rows, columns = (
            [
                max(0, -(-(place + axis.pad - axis.taps + 1) // axis.stride))
                if transposed
                else max(0, place * axis.stride - axis.pad)
                for place in range(side)
            ]
            for axis, side in zip(self.axes, self.output.shape[1:3], strict=True)
        )
        read = self.source.shape[3] * size(self.source)
        written = self.output.shape[3] * size(self.output)
        return {self.source.number: distance(rows, columns, self.source.shape[2], read, written)}
