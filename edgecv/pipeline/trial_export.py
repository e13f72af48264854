"""Trial exports: a model is exported, perhaps timed beside its float32 twin, and deleted."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.core.artifact import Artifact
from edgecv.core.costs import TrialExport
from edgecv.core.images import ImageSequence
from edgecv.core.plugins import Exporter, Technique
from edgecv.core.registry import EXPORTERS, RUNTIMES
from edgecv.evaluation.scale_parity import check_same_scales
from edgecv.formats.model_file import ModelFile
from edgecv.models.quantizers import wrappers_of
from edgecv.pipeline.context import RunContext
from edgecv.system.storage import write_bytes
from edgecv.system.timing_slot import SLOT
from edgecv.targets.c.generate import planned_arena

SECONDS_A_TRIAL = 1.0
CALIBRATION_IMAGES = 50
"""A few images are enough: kernels, size and speed do not depend on the ranges."""


@dataclass(frozen=True)
class TrialExports:
    """Exports models temporarily, and times each against the baseline's float32 twin."""

    baseline: ModelFile
    exports: Sequence[Exporter]
    """The recipe's exports: their options are used for trials of the same precision."""
    images: ImageSequence
    folder: Path
    context: RunContext
    is_timed: bool = True
    """False where a technique chooses by no times: exports alone tell bytes and memory."""
    _twins: dict[str, Path] = field(default_factory=dict)

    def measure(self, model: Any, runtime: str, precision: str) -> TrialExport:
        """Return bytes and latency of ``model`` at a precision: see ``TechniqueContext.trial``."""
        file_format = RUNTIMES.get(runtime, "runtime").format
        path = self.folder / f"trial.{file_format}"
        exporter = self._exporter(file_format, precision)
        artifact = self._export(self._saved(model), exporter, path)
        times = self._times(runtime, path) if self.is_timed else (0.0, 0.0)
        plan = planned_arena(path) if file_format == "tflite" else None
        memory = () if plan is None else (plan.arena, plan.peak)
        return TrialExport(artifact.bytes, *times, *memory)

    def _times(self, runtime: str, path: Path) -> tuple[float, float]:
        """Return the latency of a file in us, and its speed-up over the float32 twin."""
        file_format = RUNTIMES.get(runtime, "runtime").format
        if runtime not in self._twins:
            self._twins[runtime] = self.folder / f"twin.{file_format}"
            twin = self._exporter(file_format, "float32")
            self.context.converter.export(
                self.baseline, twin, self.images[:0], self._twins[runtime]
            )
        files = [self._twins[runtime], path]
        worker = self.context.measurements.timer(runtime)
        with SLOT.alone():
            blocks = worker.time_interleaved(files, self.images[:1], budget_s=SECONDS_A_TRIAL)
        twin_ns, trial_ns = (float(np.median(blocks[each])) for each in files)
        return trial_ns / 1000, twin_ns / trial_ns

    def check_exportable(self, model: Any, shared_kernels: Collection[str] = ()) -> None:
        """Export ``model`` in every way that the recipe asks for, and delete the files.

        ``shared_kernels``: layers whose kernel has one scale. Raises StepError if a format does not
        support a layer, or two formats differ in a scale that was trained, RuntimeFailure if a
        converter crashes on a layer: before the training, not after it.
        """
        source = self._saved(model)
        artifacts = []
        for exporter in self.exports:
            path = self.folder / f"trial-{exporter.precision}.{exporter.format}"
            artifacts.append(self._export(source, exporter.with_one_scale(shared_kernels), path))
            path.unlink()
        if any(True for _ in wrappers_of(model)):
            check_same_scales(artifacts)

    def _saved(self, model: Any) -> ModelFile:
        """Write a model for the converter, in place of the last one."""
        from edgecv.models.tf import model_bytes

        suffix, content = model_bytes(model)
        path = self.folder / f"model{suffix}"
        write_bytes(path, content)
        return ModelFile.at(path, self.baseline.trust)

    def _export(self, source: ModelFile, exporter: Exporter, path: Path) -> Artifact:
        images = self.images[:CALIBRATION_IMAGES]
        return self.context.converter.export(source, exporter, images, path)

    def _exporter(self, file_format: str, precision: str) -> Exporter:
        return exporter_of(self.exports, file_format, precision)


def exporter_of(exports: Sequence[Exporter], file_format: str, precision: str) -> Exporter:
    """Return the exporter of trials of a precision: a recipe's own, or the usual one."""
    for exporter in exports:
        if (exporter.format, exporter.precision) == (file_format, precision):
            return exporter
    return EXPORTERS.get(file_format, "format")(precision=precision)


def trial_options(technique: Technique, exports: Sequence[Exporter]) -> list[dict[str, Any]]:
    """Return the options of the files that a technique chooses by, but for their ranges."""
    found = [exporter_of(exports, *each) for each in technique.measured_files]
    usual = [each.model_copy(update={"calibration_images": None}) for each in found]
    return [EXPORTERS.identity(each) for each in usual]
