"""Structure around the kernels: what each of them takes, and the activation behind it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from edgecv.analysis.reference_check.kernel_pairs import KernelPair
from edgecv.analysis.reference_check.layer_matching import nearest
from edgecv.analysis.reference_check.quantization_rules import FEW_STEPS
from edgecv.core.quantization import KERNEL, Point, Steps, Stored
from edgecv.core.text import listed

NONLINEAR = {
    "LOGISTIC": "sigmoid", "TANH": "tanh", "HARD_SWISH": "hard swish", "ELU": "elu",
    "LEAKY_RELU": "leaky ReLU", "PRELU": "PReLU", "GELU": "gelu",
    "Sigmoid": "sigmoid", "Tanh": "tanh", "HardSwish": "hard swish", "HardSigmoid": "hard sigmoid",
    "Elu": "elu", "LeakyRelu": "leaky ReLU", "PRelu": "PReLU", "Gelu": "gelu", "Erf": "gelu",
    "Softplus": "softplus", "Swish": "swish", "Selu": "selu",
}  # fmt: skip
"""Activations that a quantizer leaves as operators; a ReLU may become the end of a range."""
CONVERSIONS = frozenset("QUANTIZE DEQUANTIZE QUANTIZELINEAR DEQUANTIZELINEAR CAST IDENTITY".split())
LINEAR = frozenset("ADD SUB MUL DIV NEG RESHAPE TRANSPOSE".split())
"""Operators that alone cannot write an activation."""
RECTIFIERS = frozenset("RELU RELU6 RELU_0_TO_1 CLIP MAX MIN MAXIMUM MINIMUM".split())
MOST_TRIED = 200
"""Exchanges of two layers that are tried to explain another order."""


@dataclass(frozen=True)
class PairedPoint:
    """A tensor that is computed in both files: ``place`` is that in the twin."""

    name: str
    place: int
    own: Point
    true: Point

    @property
    def steps(self) -> Steps:
        """The scale and zero point in the file, of a point that is quantized there."""
        assert self.own.steps is not None
        return self.own.steps


def paired_points(
    own: Stored, twin: Stored, pairs: Sequence[KernelPair]
) -> tuple[PairedPoint, ...]:
    """Return the tensors of both files that are computed by one operator of the same kernels."""
    known = {pair.number: pair.place for pair in pairs}
    names = {pair.number: pair.name for pair in pairs}
    mine = _by_source(own.points, known)
    yours = _by_source(twin.points, {place: place for place in known.values()})
    found = []
    for key, numbers in mine.items():
        places = yours.get(key, [])
        if len(numbers) != len(places):
            continue
        for number, place in zip(numbers, places, strict=True):
            point, true = own.points[number], twin.points[place]
            name = names[point.sources[0]] if point.type == KERNEL else point.name
            found.append(PairedPoint(name, place, point, true))
    return tuple(found)


def _by_source(
    points: Sequence[Point], known: Mapping[int, int]
) -> dict[tuple[str, frozenset[int]], list[int]]:
    """Return the numbers of points by their type and by the kernels that they come from."""
    found: dict[tuple[str, frozenset[int]], list[int]] = {}
    for number, point in enumerate(points):
        if all(each in known for each in point.sources):
            key = point.type, frozenset(known[each] for each in point.sources)
            found.setdefault(key, []).append(number)
    return found


def structural_causes(
    own: Stored, twin: Stored, pairs: Sequence[KernelPair], points: Sequence[PairedPoint]
) -> tuple[str, ...]:
    """Return what is wrong between kernels whose weights are the twin's."""
    return (*_other_order(own, twin, pairs), *_missing_activations(own, twin, pairs, points))


def _other_order(own: Stored, twin: Stored, pairs: Sequence[KernelPair]) -> Iterator[str]:
    partner = {pair.number: pair.place for pair in pairs}
    mine = nearest(own.kernels, partner)
    yours = nearest(twin.kernels, dict.fromkeys(partner.values()))

    def wrong(partner: Mapping[int, int]) -> list[int]:
        return [
            number
            for number, place in partner.items()
            if {partner[each] for each in mine[number]} != yours[place]
        ]

    names = {pair.number: pair.name for pair in pairs}
    places = {pair.place: pair.name for pair in pairs}
    found = wrong(partner)
    if not found:
        return
    near = {*found, *(each for number in found for each in mine[number])}
    for tried, (a, b) in enumerate(combinations(sorted(near), 2)):
        if tried == MOST_TRIED:
            break
        if not wrong({**partner, a: partner[b], b: partner[a]}):
            yield f"the layers {names[a]} and {names[b]} are swapped"
            return
    for number in found:
        taken = listed([names[each] for each in sorted(mine[number])]) or "the input"
        meant = listed([places[each] for each in sorted(yours[partner[number]])]) or "the input"
        yield f"{names[number]} takes what {taken} gives, in the twin what {meant} gives"


def _missing_activations(
    own: Stored, twin: Stored, pairs: Sequence[KernelPair], points: Sequence[PairedPoint]
) -> Iterator[str]:
    for each in points:
        if not each.true.starts_at_zero or each.own.starts_at_zero:
            continue
        steps = each.own.steps
        if steps is None or steps.zero_point - steps.low > FEW_STEPS:
            yield f"the ReLU behind {each.name} is missing: it gives values below 0"
    for pair in pairs:
        mine, yours = (
            set(stored.kernels[number].behind)
            for stored, number in ((own, pair.number), (twin, pair.place))
        )
        missing = sorted({NONLINEAR[kind] for kind in yours - mine if kind in NONLINEAR})
        # Where it is written by other operators, one of them bends too, or the end of a range.
        others = {kind.upper() for kind in mine - yours} - CONVERSIONS
        is_bent = others - LINEAR or {kind.upper() for kind in mine} & RECTIFIERS
        is_cut = any(
            pair.number in point.sources and point.steps is not None and point.steps.is_cut
            for point in own.points
            if point.type != KERNEL
        )
        if missing and not (others and (is_bent or is_cut)):
            yield f"the {listed(missing)} behind {pair.name} is missing"
