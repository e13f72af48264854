"""Outputs whose rows are sorted by scores that are nearly equal: rounding decides their order."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgecv.core.data import Outputs
from edgecv.core.images import ImageSequence
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.plugins import Task
from edgecv.core.preprocessing import Preprocessing
from edgecv.core.report import Gate
from edgecv.formats.lookup import runtime_of_file
from edgecv.pipeline.measure import MeasurementPool

NOISE = 1 + 2**-20
"""Factor of every number that enters a model: eight times what float32 rounds by."""
OF_NUMBERS = frozenset(
    "conversion_difference min_agreement min_cosine min_sqnr_db max_difference".split()
)
"""Gates that compare numbers of the same place."""


def steady_gates(
    gates: Sequence[Gate],
    where: str,
    task: Task,
    again: Callable[[], Outputs],
    judged: Callable[[Outputs], Sequence[Gate]],
) -> list[Gate]:
    """Return gates, those of numbers inconclusive instead of failed where rounding fails them too.

    ``again`` runs the reference at ``where`` on numbers that are ``NOISE`` times as large;
    ``judged`` returns the gates of outputs, as if each file had given these.
    """
    failed = fails_by_numbers(gates, task)
    if not failed:
        return list(gates)
    moved = {(e.artifact, e.name, e.head): e for e in judged(again()) if e.outcome == "failed"}
    steady = []
    for gate in gates:
        noise = moved.get((gate.artifact, gate.name, gate.head))
        if gate not in failed or noise is None:
            steady.append(gate)
            continue
        reason = (
            f"{where} itself fails this limit with {noise.observed:.4g} where its input changes by"
            " a millionth: rounding decides the order of its rows, so that numbers of one place"
            " prove nothing; data with targets, and the --task that reads such rows, do"
        )
        steady.append(replace(gate, outcome="inconclusive", reason=reason))
    return steady


def fails_by_numbers(gates: Sequence[Gate], task: Task) -> list[Gate]:
    """Return the failed gates that rounding may have failed: of tasks that compare numbers."""
    if not task.compares_numbers:
        return []
    return [each for each in gates if each.outcome == "failed" and each.name in OF_NUMBERS]


def noisy_outputs(
    pool: MeasurementPool, path: Path, images: ImageSequence, input_spec: InputSpec = DEFAULT_INPUT
) -> Outputs:
    """Return the outputs of a file for pixels that are ``NOISE`` times as large."""
    own = input_spec.preprocess or Preprocessing()
    scale = tuple(float(each) * NOISE for each in np.atleast_1d(own.scale))
    spec = input_spec.model_copy(update={"preprocess": own.model_copy(update={"scale": scale})})
    return pool.predict(runtime_of_file(path).name, path, images, spec)
