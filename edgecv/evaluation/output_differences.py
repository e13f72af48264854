"""Outputs of any shape compared number by number: nothing has to be known of their meaning."""

import math
from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from edgecv.core.comparison import OutputDifference
from edgecv.core.data import Outputs, Predictions
from edgecv.core.report import Gate
from edgecv.core.text import counted
from edgecv.evaluation.statistics.real_scores import interval

OUTPUTS = "outputs"
"""Name of the gate of outputs that were compared without a limit."""
WORST = 3
"""Images that are named for the largest difference of an output."""
AT_ONCE = 64
"""Images whose numbers are compared at a time."""
FEWEST_IMAGES = 2
"""Images from which on a mean has an interval."""
MOST_OF_A_SHAPE = 4
"""Outputs of one shape whose order is found by their values: there are 24 of these."""


def aligned(outputs: Outputs, reference: Outputs) -> tuple[Outputs, str]:
    """Return outputs in the order and under the names of a reference's, and a note if they moved.

    Raises ValueError where numbers of outputs or their shapes differ; see ``own_names``.
    """
    own, true = outputs.arrays, reference.arrays
    names = own_names(outputs, reference)
    note = f"its outputs come in another order than the baseline's: {', '.join(names)}"
    moved = list(names.values()) != list(own) and own.keys() != true.keys()
    return Outputs({name: own[mine] for name, mine in names.items()}), note if moved else ""


def own_names(outputs: Outputs, reference: Outputs) -> dict[str, str]:
    """Return the name of one's own output for each of a reference's, in the order of these.

    Outputs belong together by their names; where these are others, as converters give them, by
    shape and order, and those of one shape by their values, since nothing else tells them. Raises
    ValueError where numbers of outputs or their shapes differ.
    """
    own, true = outputs.arrays, reference.arrays
    if len(own) != len(true):
        raise ValueError(f"gives {counted(len(own), 'output')}, the baseline gives {len(true)}")
    names = {name: name for name in true} if own.keys() == true.keys() else _by_shape(own, true)
    for name, mine in names.items():
        if own[mine].shape[1:] != true[name].shape[1:]:
            raise ValueError(
                f"its output {name} has the shape {list(own[mine].shape[1:])}, the baseline's"
                f" {list(true[name].shape[1:])}"
            )
    return names


def _by_shape(own: Mapping[str, Predictions], true: Mapping[str, Predictions]) -> dict[str, str]:
    """Return the same as ``own_names`` for outputs of other names."""
    shapes = [each.shape[1:] for each in own.values()]
    wanted = [each.shape[1:] for each in true.values()]
    if sorted(shapes) != sorted(wanted):
        return dict(zip(true, own, strict=True))  # The caller names the first that differs.
    found: dict[str, str] = {}
    for shape in dict.fromkeys(wanted):
        mine = [name for name, each in own.items() if each.shape[1:] == shape]
        theirs = [name for name, each in true.items() if each.shape[1:] == shape]
        orders = permutations(mine) if len(mine) <= MOST_OF_A_SHAPE else [tuple(mine)]
        best = min(orders, key=lambda order: _distance(order, theirs, own, true))
        found |= dict(zip(theirs, best, strict=True))
    return {name: found[name] for name in true}


def _distance(
    mine: Sequence[str],
    theirs: Sequence[str],
    own: Mapping[str, Predictions],
    true: Mapping[str, Predictions],
) -> float:
    pairs = [(own[one], true[other]) for one, other in zip(mine, theirs, strict=True)]
    count = min(len(each) for pair in pairs for each in pair)
    return sum(float(np.abs(one[:count] - other[:count]).mean()) for one, other in pairs)


def output_differences(outputs: Outputs, reference: Outputs) -> tuple[OutputDifference, ...]:
    """Compare each output with the reference's, in their order: see ``aligned``.

    Raises ValueError where a number is not finite.

    >>> one, other = (Outputs.one(np.array([[3.0, value]], np.float32)) for value in (4.0, 5.0))
    >>> output_differences(other, one)[0].largest
    1.0
    """
    pairs = zip(reference.arrays.items(), outputs.arrays.values(), strict=True)
    return tuple(_difference(name, mine, true) for (name, true), mine in pairs)


def errors_of_images(outputs: Outputs, reference: Outputs) -> NDArray[np.float64]:
    """Return the error of each output for each image: float64 (outputs, N).

    The length of the difference from the reference, as a fraction of the reference's length.
    """
    found = []
    for mine, true in zip(outputs.arrays.values(), reference.arrays.values(), strict=True):
        sums = _sums(mine, true)
        signal = np.where(sums["signal"] > 0, sums["signal"], 1.0)
        found.append(np.sqrt(sums["noise"] / signal))
    return np.stack(found)


def of_ranges(outputs: Outputs, reference: Outputs) -> tuple[float, float]:
    """Return the mean and the largest difference, as fractions of the range of an output."""
    means, largest = [], []
    for mine, true in zip(outputs.arrays.values(), reference.arrays.values(), strict=True):
        width = float(np.ptp(true)) or 1.0
        found = np.abs(mine - true)
        means.append(float(found.mean()) / width)
        largest.append(float(found.max()) / width)
    return float(np.mean(means)), max(largest)


def difference_text(found: OutputDifference) -> str:
    """Return a difference as a part of a sentence.

    >>> difference_text(OutputDifference("boxes", (10, 4), 0.001, 0.02, 0.04, 0.9999))
    'boxes by 0.02 at the most (4% of its range), 0.001 in the mean, cosine 0.9999'
    """
    of_range = "" if found.of_range is None else f" ({100 * found.of_range:.3g}% of its range)"
    cosine = "" if found.cosine is None else f", cosine {found.cosine:.4f}"
    if found.cosine_interval is not None:
        cosine += f" ({found.cosine_interval[0]:.4f} to {found.cosine_interval[1]:.4f})"
    noise = "" if found.sqnr_db is None else f", SQNR {found.sqnr_db:.1f} dB"
    worst = f", most on the images {', '.join(map(str, found.worst))}" if found.worst else ""
    most = f"{found.name} by {found.largest:.3g} at the most{of_range}"
    return f"{most}, {found.mean:.3g} in the mean{cosine}{noise}{worst}"


def unjudged(path: str, differences: Sequence[OutputDifference], samples: str) -> Gate:
    """Return the gate of outputs that were compared and that no limit of a user judges."""
    texts = "; ".join(map(_short, differences))
    reason = (
        f"{counted(len(differences), 'output')} compared by numbers with the baseline's on"
        f" {samples}: {texts}. Nothing says how much they may differ, so nothing was proven: give"
        " --min-cosine, --min-sqnr or --max-difference"
    )
    worst = max(each.largest for each in differences)
    return Gate(OUTPUTS, path, 0.0, worst, "inconclusive", reason)


def _short(found: OutputDifference) -> str:
    if not found.largest:
        return f"{found.name} the same"
    of_range = "" if found.of_range is None else f"up to {100 * found.of_range:.3g}% of its range"
    noise = "" if found.sqnr_db is None else f"SQNR {found.sqnr_db:.1f} dB"
    cosine = "" if found.cosine is None else f"cosine {found.cosine:.4f}"
    return f"{found.name} {', '.join(filter(None, (cosine, noise, of_range)))}"


def _difference(name: str, mine: Predictions, theirs: Predictions) -> OutputDifference:
    if not np.isfinite(mine).all():
        raise ValueError(f"its output {name} has NaN or infinity")
    sums = _sums(mine, theirs)
    width = float(np.ptp(theirs)) if theirs.size else 0.0
    largest = float(sums["largest"].max(initial=0.0))
    mean = sums["mean"]
    lengths = np.sqrt(sums["own"] * sums["signal"])
    are_zero = (sums["own"] == 0) & (sums["signal"] == 0)
    cosines = np.where(are_zero, 1.0, sums["product"] / np.where(lengths > 0, lengths, 1.0))
    signal, noise = float(sums["signal"].sum()), float(sums["noise"].sum())
    order = np.argsort(-sums["largest"], kind="stable")[:WORST]
    return OutputDifference(
        name=name,
        shape=tuple(map(int, theirs.shape[1:])),
        mean=float(mean.mean()) if len(mean) else 0.0,
        largest=largest,
        of_range=largest / width if width else None,
        cosine=min(float(cosines.mean()), 1.0) if len(cosines) else None,
        sqnr_db=10 * math.log10(signal / noise) if signal and noise else None,
        mean_interval=_interval(mean),
        cosine_interval=_interval(cosines),
        worst=tuple(int(each) for each in order if sums["largest"][each] > 0),
    )


def _interval(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return the 95% interval of a mean over images, by a bootstrap over these."""
    if len(values) < FEWEST_IMAGES:
        return None
    return interval(lambda rows: float(values[rows].mean()), len(values), len(values))


def _sums(mine: Predictions, theirs: Predictions) -> dict[str, NDArray[np.float64]]:
    """Return sums over the numbers of each image: float64 (N,) each."""
    parts = [
        _sums_of(mine[start : start + AT_ONCE], theirs[start : start + AT_ONCE])
        for start in range(0, len(mine), AT_ONCE)
    ]
    if not parts:
        parts = [_sums_of(mine, theirs)]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _sums_of(mine: Predictions, theirs: Predictions) -> dict[str, NDArray[np.float64]]:
    one, other = (
        each.reshape(len(each), math.prod(each.shape[1:])).astype(np.float64)
        for each in (mine, theirs)
    )
    distance = np.abs(one - other)
    return {
        "mean": distance.mean(axis=1),
        "largest": distance.max(axis=1, initial=0.0),
        "noise": (distance**2).sum(axis=1),
        "signal": (other**2).sum(axis=1),
        "own": (one**2).sum(axis=1),
        "product": (one * other).sum(axis=1),
    }
