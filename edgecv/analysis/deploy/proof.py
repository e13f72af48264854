"""The proof of a deployment: the answers of the device beside those of this machine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from edgecv.analysis.deploy.request import limits_there
from edgecv.analysis.options import DeployOptions
from edgecv.analysis.validation_arrays import ValidationArrays, usable_measurements
from edgecv.core.comparison import Measurement
from edgecv.core.data import Outputs
from edgecv.core.plugins import DeployedFile, Device, Target
from edgecv.core.registry import TARGETS
from edgecv.core.report import Deployment, Gate, Report
from edgecv.evaluation.comparison import align_all, compare
from edgecv.evaluation.control import with_control
from edgecv.evaluation.gates import ROUNDING, most_gate, verdict
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.output_differences import OUTPUTS, of_ranges
from edgecv.evaluation.task_of import compared_outputs, task_of
from edgecv.formats.tflite.interpreter import USUAL_KERNELS
from edgecv.pipeline.context import AnalysisContext
from edgecv.pipeline.device import answers_of
from edgecv.pipeline.rounding_noise import noisy_outputs, steady_gates
from edgecv.pipeline.run_gates import judge, judge_moved
from edgecv.reports.ratio_text import kernels_of

SAME = "same_answers"
"""The gate of the answers that are those of this machine."""


@dataclass(frozen=True)
class DeviceProof:
    """A file that was measured on this machine, and its report there."""

    file: DeployedFile
    report: Report
    arrays: ValidationArrays
    limits: Limits
    context: AnalysisContext

    def with_device(self, device: Device, target: Target, options: DeployOptions) -> Report:
        """Return the report with the device as a row, judged by the same limits."""
        data, task = self.arrays.data, self.arrays.task
        path = self.file.artifact.path
        row = f"{path} on {target.device_name}"
        images = data.test.images
        self.context.emit("evaluate", f"{len(images):,} images through {row}")
        outputs, blocks = answers_of(device, images), device.time(images[:1])
        measured = Measurement(
            replace(self.file.artifact, path=row, notes=device.facts.notes),
            device.facts.runtime,
            outputs,
            self.file.facts,
            blocks,
            device.facts.machine,
        )
        aligned, unmatched = align_all([measured], self.arrays.baseline)
        usable, failures = usable_measurements(aligned, data, task, self.context)
        failures |= unmatched
        limits = limits_there(self.limits, options)
        comparisons = []
        for each, head in product(usable, task.heads()):
            own = self.arrays.of_head(head)
            found = compare(
                replace(each, outputs=head.of(each.outputs)),
                None,
                own.baseline,
                own.data.test_labels,
                head.task,
                self.context.threads if target.takes_threads else 1,
                limits.margin_points,
            )
            comparisons.append(replace(found, head=head.name))
        comparisons = with_control(
            comparisons, usable, self.arrays.control, data.test_labels, task, limits.margin_points
        )
        gates = judge(comparisons, failures, comparisons, limits, task, self.report.data)
        gates = self._steady(gates, usable, limits)
        deployment = _built(target, row, device.facts.runtime)
        if usable:
            here = self.arrays.outputs[path]
            deployment = _beside(here, usable[0], device, target, self)
            gates = _without_rounding(gates, here, usable[0].outputs)
            gates += same_gates(deployment, options.min_same)
        gates = [*self.report.gates, *gates]
        return replace(
            self.report,
            recipe={
                **self.report.recipe,
                "gates": _both(self.report, limits),
                "target": TARGETS.table(target),
            },
            comparisons=(*self.report.comparisons, *comparisons),
            gates=tuple(gates),
            outcome=verdict(gates),
            deployment=deployment,
        )

    def _steady(
        self, gates: list[Gate], measured: Sequence[Measurement], limits: Limits
    ) -> list[Gate]:
        """Return the gates of the device's row, those of numbers judged as on this machine."""
        reference, data, task = self.arrays.baseline, self.arrays.data, self.arrays.task
        if reference is None or self.arrays.reference is None:
            return gates
        path, spec = self.arrays.reference
        again = partial(noisy_outputs, self.context.measurements, path, data.test.images, spec)
        as_noise = partial(judge_moved, measured, reference, limits, task, self.report.data)
        return steady_gates(gates, str(path), task, again, as_noise)

    def without_device(self, target: Target) -> Report:
        """Return the report of a file that was built and that nothing here can run."""
        row = f"{self.file.artifact.path} on {target.device_name}"
        reason = f"{target.missing}: it was built, and nothing was run"
        gates = (*self.report.gates, Gate(SAME, row, 1.0, None, "inconclusive", reason))
        return replace(
            self.report,
            gates=gates,
            outcome=verdict(list(gates)),
            deployment=_built(target, row),
        )


def _both(report: Report, limits: Limits) -> dict[str, Any]:
    """Return the limits of this machine and of the device, as the recipe of a report holds them."""
    return {**report.recipe.get("gates", {}), **limits.model_dump(exclude_none=True)}


def other_kernels(report: Report, run: Report | None, path: str) -> tuple[str, ...]:
    """Return that the run measured a file with other kernels, where that gave another value."""
    deployment = report.deployment
    if run is None or deployment is None or not deployment.kernels:
        return ()
    if run.data.splits["test"] != report.data.splits["test"]:
        return ()  # Part of the images: another value says nothing of the kernels.
    task = task_of(report)
    notes = []
    for here in report.comparisons:
        if here.artifact.path != path or here.value is None:
            continue
        for before in run.comparisons:
            is_same = (before.artifact.path, before.head) == (path, here.head)
            if not is_same or before.value is None or before.value == here.value:
                continue
            headline = task.head_called(here.head).task.headline
            notes.append(
                f"{here.label}: {headline.name} {headline.text(here.value)} with LiteRT's"
                f" {deployment.kernels} kernels, which round as the device does; the run has"
                f" {headline.text(before.value)} with {kernels_of(run) or USUAL_KERNELS} kernels"
            )
    return tuple(notes)


def _built(target: Target, row: str, runtime: str = "") -> Deployment:
    """Return a file that was built, without an answer of its device."""
    kernels = target.arithmetic or ""
    return Deployment(target.name, row, runtime, 0, 0, 0, 0.0, kernels)


def _beside(
    here: Outputs, there: Measurement, device: Device, target: Target, proof: DeviceProof
) -> Deployment:
    """Compare the answers of the device with those of this machine, image by image."""
    task = proof.arrays.task
    count = len(here)
    equal = np.ones(count, bool)
    largest = 0.0
    for mine, theirs in zip(here.arrays.values(), there.outputs.arrays.values(), strict=True):
        far = np.abs(mine.astype(np.float64) - theirs).reshape(count, -1).max(axis=1)
        equal &= far == 0
        largest = max(largest, float(far.max()))
    return Deployment(
        target=target.name,
        artifact=there.artifact.path,
        runtime=device.facts.runtime,
        images=count,
        same_answers=int(task.same_answer(there.outputs, here).sum()),
        equal_outputs=int(equal.sum()),
        largest_difference=largest,
        kernels=target.arithmetic or "",
        memory_bytes=device.facts.memory_bytes,
        flash_bytes=device.facts.flash_bytes,
        notes=device.facts.notes,
    )


def _without_rounding(gates: list[Gate], here: Outputs, there: Outputs) -> list[Gate]:
    """Return gates, numbers passed that differ from this machine's as floats of its kernels do.

    Sums of floats depend on the order of their parts, so that no two kernels give the same.
    """
    limit = compared_outputs().conversion_limit
    rounding = most_gate("conversion_difference", "", limit, of_ranges(there, here)[1])
    if rounding.outcome != "passed":
        return gates
    return [
        replace(rounding, artifact=each.artifact, head=each.head) if each.name == OUTPUTS else each
        for each in gates
    ]


def same_gates(found: Deployment, limit: float | None) -> list[Gate]:
    """Return the gate of the answers that are those of this machine, where a limit is given."""
    if limit is None:
        return []
    observed = found.same_answers / found.images
    outcome = "passed" if observed >= limit - ROUNDING else "failed"
    return [Gate(SAME, found.artifact, limit, observed, outcome)]  # type: ignore[arg-type]
