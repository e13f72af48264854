"""Error of each layer: the signal-to-quantization-noise ratio (SQNR), operator by operator.

This tells an operator that has bad inputs from one that adds the error itself.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgecv.analysis.doctor.records import Finding, LayerError
from edgecv.analysis.doctor.structure import layer_of
from edgecv.core.artifact import Activation
from edgecv.core.plugins.exporter import DEFAULT_CALIBRATION_IMAGES
from edgecv.core.text import counted

BEST_DB = 40.0
"""Larger ratios count as this: 8 bits give 30 to 40 dB, and losing 10 dB of them is no fault."""
WORST_DB = -40.0
"""Smaller ratios count as this, and so do layers that overflow: behind them nothing is lost."""
BAD_DROP_DB = 10.0
WRONG_GAIN = 0.1
NOTHING = 1e-12
TO_FLOAT = 'its numbers are too large for its type: precision = "float32" under [[export]]'
NEW_SCALE = (
    "its scale is wrong: export the model again; if it stays, with more calibration images than"
    f" before (calibration_images under [[export]], {DEFAULT_CALIBRATION_IMAGES} if not given)"
)


def layer_errors(
    candidate: Sequence[Activation],
    baseline: Sequence[Activation],
    layers: Sequence[tuple[str, str, str]],
) -> tuple[LayerError, ...]:
    """Compare the outputs of layers with those of the baseline's twin, in the file's order.

    ``layers``: for each layer its output in the file, its output in the twin, and its Keras name.
    """
    pairs = _pairs(candidate, baseline, layers)
    named = {own: layer for own, _, layer in layers}
    levels = {name: sqnr_db(own, true) for name, (own, true) in pairs.items()}
    inputs = {each.name: each.inputs for each in candidate}
    return tuple(
        LayerError(
            name=name,
            layer=named.get(name, "") or layer_of(name),
            sqnr_db=levels[name],
            inputs_db=min(
                (levels[each] for each in _nearest(name, inputs, levels)), default=BEST_DB
            ),
            gain=_gain(own, true),
            infinite=int(np.count_nonzero(~np.isfinite(own))),
            numbers=own.size,
        )
        for name, (own, true) in pairs.items()
    )


def layer_findings(layers: Sequence[LayerError], remedy: str) -> Iterator[Finding]:
    """Find the layers that lose most, the worst first. ``remedy``: for too coarse rounding."""
    for each in sorted(layers, key=lambda layer: layer.drop_db, reverse=True):
        if each.drop_db < BAD_DROP_DB:
            return
        where = each.layer or each.name
        if each.infinite:
            found = f"{each.infinite:,} of its {counted(each.numbers, 'number')}"
            found += f" {'is' if each.infinite == 1 else 'are'} infinite or none"
            yield Finding("overflow", "error", where, found, TO_FLOAT)
            continue
        is_scale = abs(each.gain - 1) > WRONG_GAIN
        yield Finding(
            "bad-scale" if is_scale else "coarse-layer",
            "error",
            where,
            f"signal over error falls from {each.inputs_db:.1f} to {each.sqnr_db:.1f} dB here"
            + (f"; its values are {each.gain:.2f} of what they should be" if is_scale else ""),
            NEW_SCALE if is_scale else remedy,
        )


def sqnr_db(own: NDArray[np.float32], true: NDArray[np.float32]) -> float:
    """Return power of ``true`` over power of the error, ``WORST_DB`` to ``BEST_DB``.

    >>> round(sqnr_db(np.array([1.1], np.float32), np.array([1.0], np.float32)), 1)
    20.0
    """
    if not np.isfinite(own).all():
        return WORST_DB
    signal = float(np.square(true, dtype=np.float64).sum())
    error = float(np.square(own.astype(np.float64) - true).sum())
    if error <= NOTHING:
        return BEST_DB
    ratio = max(signal, NOTHING) / error
    return float(np.clip(10 * np.log10(ratio), WORST_DB, BEST_DB))


def _gain(own: NDArray[np.float32], true: NDArray[np.float32]) -> float:
    if not np.isfinite(own).all():
        return 1.0
    power = float(np.square(true, dtype=np.float64).sum())
    return float((own.astype(np.float64) * true).sum()) / power if power > NOTHING else 1.0


Pair = tuple[NDArray[np.float32], NDArray[np.float32]]


def _pairs(
    candidate: Sequence[Activation],
    baseline: Sequence[Activation],
    layers: Sequence[tuple[str, str, str]],
) -> dict[str, Pair]:
    """Return the values of each layer in both files, where the baseline's are finite."""
    own, true = ({each.name: each for each in given} for given in (candidate, baseline))
    partners = {mine: yours for mine, yours, _ in layers if mine in own and yours in true}
    both = {
        name: (each.values, true[partners[name]].values)
        for name, each in own.items()
        if name in partners
    }
    known = {name: np.isfinite(yours) for name, (_, yours) in both.items()}
    return {
        name: (mine[known[name]], yours[known[name]])
        for name, (mine, yours) in both.items()
        if mine.shape == yours.shape
    }


def _nearest(
    name: str, inputs: Mapping[str, Sequence[str]], known: Mapping[str, float]
) -> list[str]:
    """Return the nearest preceding operators whose error is known."""
    waiting, found, seen = list(inputs[name]), [], {name}
    while waiting:
        taken = waiting.pop()
        if taken in seen:
            continue
        seen.add(taken)
        if taken in known:
            found.append(taken)
        else:
            waiting += inputs.get(taken, ())
    return found
