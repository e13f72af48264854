"""Rules of quantization that every correct converter keeps: writer and reader agree on scales."""

from collections.abc import Iterator, Sequence

from edgecv.core.quantization import Link, Point, Stored
from edgecv.core.text import counted
from edgecv.formats.lookup import runtime_of_format

PROBABILITIES = ("SOFTMAX", "LOGISTIC", "SIGMOID")
"""Operators whose range is fixed by both formats."""
FIXED = {
    **dict.fromkeys(PROBABILITIES, (1 / 256, -128)),
    **dict.fromkeys(("TANH", "L2_NORMALIZATION"), (1 / 128, 0)),
    "LOG_SOFTMAX": (16 / 256, 127),
}
"""The scale and the zero point that TFLite fixes for the int8 values of an operator."""
INT8 = (-128, 127)
FEW_STEPS = 16
"""A zero point up to so many steps from the end of its range is off, and no missing ReLU."""
SAME = 1e-6
"""Relative difference up to which two scales are the same number."""


def broken_rules(own: Stored, file_format: str, zeros: Sequence[tuple[str, Point]]) -> list[str]:
    """Return a sentence for each broken rule.

    ``zeros``: name and point of each tensor that is never below 0 in the twin.
    """
    fixed = runtime_of_format(file_format).fixes_scales
    return [
        *_links(own.links, fixes_scales=fixed),
        *_weights(own),
        *(_fixed(own.points) if fixed else ()),
        *_zeros(zeros),
    ]


def _links(links: Sequence[Link], *, fixes_scales: bool) -> Iterator[str]:
    for link in links:
        given, taken = link.given, link.taken
        same_scale = abs(given.scale - taken.scale) <= SAME * abs(given.scale)
        same_zero = given.zero_point == taken.zero_point
        if same_scale and same_zero:
            continue
        if link.is_one_tensor:
            yield (
                f'"{link.name}" is rounded with scale {given.scale:.6g} and zero point'
                f" {given.zero_point}, and read with {taken.scale:.6g} and {taken.zero_point}"
            )
        elif fixes_scales or same_scale:
            # Other converters may quantize again after a pooling in ONNX; none changes only the
            # zero point.
            what = "zero point" if same_scale else "scale"
            yield (
                f'{link.type} "{link.name}" passes its input on, and its {what} is another:'
                f" {_values(link, what)}"
            )


def _values(link: Link, what: str) -> str:
    if what == "scale":
        return f"{link.given.scale:.6g} in, {link.taken.scale:.6g} out"
    return f"{link.given.zero_point} in, {link.taken.zero_point} out"


def _weights(own: Stored) -> Iterator[str]:
    for kernel in own.kernels:
        if kernel.zero_points:
            yield (
                f'the weights of "{kernel.name}" have'
                f" {counted(kernel.zero_points, 'zero point')} other than 0,"
                " and int8 weights are symmetric"
            )


def _fixed(points: Sequence[Point]) -> Iterator[str]:
    for point in points:
        steps = point.steps
        if point.type not in FIXED or steps is None or (steps.low, steps.high) != INT8:
            continue
        scale, zero_point = FIXED[point.type]
        if (steps.scale, steps.zero_point) != (scale, zero_point):
            yield (
                f'{point.type} "{point.name}" has scale {steps.scale:.6g} and zero point'
                f" {steps.zero_point}, and TFLite fixes them at 1/{1 / scale:g} and {zero_point}"
            )


def _zeros(zeros: Sequence[tuple[str, Point]]) -> Iterator[str]:
    for name, point in zeros:
        steps = point.steps
        off = 0 if steps is None else steps.zero_point - steps.low
        # The zero point of a symmetric range is in its middle: that is valid too.
        if steps is not None and 0 < off <= FEW_STEPS:
            yield (
                f"{name} gives nothing below 0, and its zero point is {steps.zero_point} where"
                f" {steps.low} stands for 0: it is off by {off}"
            )
