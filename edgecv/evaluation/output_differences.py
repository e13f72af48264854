"""Outputs of any shape compared number by number: nothing has to be known of their meaning."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Outputs, Predictions
from edgecv.core.report import Gate, OutputDifference

OUTPUTS = "outputs"
"""Name of the gate of outputs that were compared without a limit."""


def output_differences(outputs: Outputs, reference: Outputs) -> tuple[OutputDifference, ...]:
    """Compare each output with the reference's of the same name, or of the same place.

    Converters rename outputs: where a name is missing, the order counts. Raises ValueError where
    the numbers of outputs, of samples or of numbers a sample differ, or a number is not finite.

    >>> one, other = (Outputs.one(np.array([[3.0, value]], np.float32)) for value in (4.0, 5.0))
    >>> output_differences(other, one)[0].largest
    1.0
    """
    own, true = outputs.arrays, reference.arrays
    if len(own) != len(true):
        raise ValueError(f"gives {len(own)} outputs, the baseline gives {len(true)}")
    values = [own[name] for name in true] if own.keys() == true.keys() else list(own.values())
    pairs = zip(true.items(), values, strict=True)
    return tuple(_difference(name, mine, theirs) for (name, theirs), mine in pairs)


def difference_text(found: OutputDifference) -> str:
    """Return a difference as a part of a sentence.

    >>> difference_text(OutputDifference("boxes", (10, 4), 0.001, 0.02, 0.04, 0.9999))
    'boxes by 0.02 at the most (4% of its range), 0.001 in the mean, cosine 0.9999'
    """
    of_range = "" if found.of_range is None else f" ({100 * found.of_range:.3g}% of its range)"
    cosine = "" if found.cosine is None else f", cosine {found.cosine:.4f}"
    most = f"{found.name} by {found.largest:.3g} at the most{of_range}"
    return f"{most}, {found.mean:.3g} in the mean{cosine}"


def unjudged(path: str, differences: Sequence[OutputDifference], samples: str) -> Gate:
    """Return the gate of outputs that were compared and that no limit judges."""
    count = f"{len(differences)} output{'s' if len(differences) != 1 else ''}"
    texts = "; ".join(map(difference_text, differences))
    reason = (
        f"{count} compared by numbers with the baseline's on {samples}: {texts}."
        " Nothing says which numbers are right, so nothing was proven of accuracy"
    )
    worst = max(each.largest for each in differences)
    return Gate(OUTPUTS, path, 0.0, worst, "inconclusive", reason)


def _difference(name: str, mine: Predictions, theirs: Predictions) -> OutputDifference:
    one, other = _flat(mine), _flat(theirs)
    if one.shape != other.shape:
        raise ValueError(
            f"its output {name} has the shape {list(mine.shape[1:])}, the baseline's"
            f" {list(theirs.shape[1:])}"
        )
    if not np.isfinite(one).all():
        raise ValueError(f"its output {name} has NaN or infinity")
    distance = np.abs(one - other)
    width = float(other.max() - other.min()) if other.size else 0.0
    largest = float(distance.max()) if distance.size else 0.0
    return OutputDifference(
        name=name,
        shape=tuple(map(int, theirs.shape[1:])),
        mean=float(distance.mean()) if distance.size else 0.0,
        largest=largest,
        of_range=largest / width if width else None,
        cosine=_cosine(one, other),
    )


def _flat(values: Predictions) -> NDArray[np.float64]:
    return values.reshape(len(values), -1).astype(np.float64)


def _cosine(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    if not lengths.all():
        return None
    return float(np.mean((one * other).sum(axis=1) / lengths))
