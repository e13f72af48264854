"""What a model would be as a file: exported, run beside its twin, and thrown away."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.core.plugins import Exporter
from edgecv.core.records import Artifact, Images, TrialExport
from edgecv.core.registry import EXPORTERS, RUNTIMES
from edgecv.pipeline.baseline import ModelFile
from edgecv.pipeline.conversion import Converter
from edgecv.pipeline.measure import MeasurementPool
from edgecv.system.storage import file_sha256, write_bytes

SECONDS_A_TRIAL = 1.0
CALIBRATION_IMAGES = 50
"""Ranges found on few images have the same kernels, bytes and speed."""


@dataclass(frozen=True)
class TrialExports:
    """Tries models in one folder, each against the float32 twin of the baseline."""

    baseline: ModelFile
    exports: Sequence[Exporter]
    """Those of the recipe: what is tried is what will be written, where it asks for the same."""
    images: Images
    tests: MeasurementPool
    converter: Converter
    folder: Path
    _twins: dict[str, Path] = field(default_factory=dict)

    def try_out(self, model: Any, runtime: str, precision: str) -> TrialExport:
        """Return bytes and latency of ``model`` at a precision: see ``TechniqueContext.trial``."""
        file_format = RUNTIMES.get(runtime, "runtime").format
        if runtime not in self._twins:
            self._twins[runtime] = self.folder / f"twin.{file_format}"
            twin = self._exporter(file_format, "float32")
            self.converter.export(self.baseline, twin, self.images[:0], self._twins[runtime])
        path = self.folder / f"trial.{file_format}"
        exporter = self._exporter(file_format, precision)
        artifact = self._export(self._saved(model), exporter, path)
        pair = [self._twins[runtime], path]
        worker = self.tests.worker(runtime, self.tests.threads)
        blocks = worker.time_interleaved(pair, self.images[:1], budget_s=SECONDS_A_TRIAL)
        twin_ns, trial_ns = (float(np.median(blocks[each])) for each in pair)
        return TrialExport(artifact.bytes, trial_ns / 1000, twin_ns / trial_ns)

    def rehearse(self, model: Any) -> None:
        """Write ``model`` in every way that the recipe asks for, and throw the files away.

        Raises StepError where a format does not know a layer, RuntimeFailure where a converter dies
        of one: better now than after the training.
        """
        source = self._saved(model)
        for exporter in self.exports:
            path = self.folder / f"rehearsed-{exporter.precision}.{exporter.format}"
            self._export(source, exporter, path)
            path.unlink()

    def _saved(self, model: Any) -> ModelFile:
        """Write a model for the converter, over the last one."""
        from edgecv.models.tf import model_bytes

        suffix, content = model_bytes(model)
        path = self.folder / f"tried{suffix}"
        write_bytes(path, content)
        return ModelFile(path, file_sha256(path), self.baseline.trust)

    def _export(self, source: ModelFile, exporter: Exporter, path: Path) -> Artifact:
        return self.converter.export(source, exporter, self.images[:CALIBRATION_IMAGES], path)

    def _exporter(self, file_format: str, precision: str) -> Exporter:
        for exporter in self.exports:
            if (exporter.format, exporter.precision) == (file_format, precision):
                return exporter
        return EXPORTERS.get(file_format, "format")(precision=precision)
