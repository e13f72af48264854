"""Trials of a mixed file: exported with some precisions, run on validation images, judged."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from edgecv.core.artifact import TWIN_STEM
from edgecv.core.comparison import Measurement
from edgecv.core.data import Outputs, Targets
from edgecv.core.errors import RuntimeFailure
from edgecv.core.plugins import Exporter
from edgecv.core.report import Gate
from edgecv.evaluation.comparison import compare_all
from edgecv.evaluation.control import ControlOutputs, with_control
from edgecv.evaluation.limits import Limits, evidence_of
from edgecv.formats.model_file import ModelFile
from edgecv.pipeline.baseline import baseline_predictions
from edgecv.pipeline.context import RunContext
from edgecv.pipeline.control import TrainedControl
from edgecv.pipeline.export import calibration_of
from edgecv.pipeline.load_data import data_facts
from edgecv.pipeline.measure import MeasuredFile
from edgecv.pipeline.mixed.limits import has_limit
from edgecv.pipeline.run_gates import limit_gates
from edgecv.pipeline.user_models import UserModel
from edgecv.system.environment import machine
from edgecv.system.storage import content_key, write_bytes

DROP = "max_drop_points_bound"


class MixedTrial(BaseModel):
    """One file with some precisions of its layers, judged on validation images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layers: dict[str, str]
    """Precisions other than int8, by layer."""
    weights: dict[str, int]
    """Weights of each layer of the file."""
    dense: list[str]
    """Layers whose kernel is a matrix."""
    bytes: int
    error: float
    """Mean squared difference of the outputs from the float model's, over their variance."""
    lost_points: float | None
    """Points of the headline metric lost against the better of baseline and control."""
    worst_points: float | None
    """The same at the worse end of the 95% interval."""
    broken: list[str]
    """Limits on answers that do not hold."""
    over: list[str]
    """Limits on size and time that do not hold."""
    speedup: float | None
    """Times faster than the float32 twin; None where time has no limit."""


@dataclass
class TrialRunner:
    """The trials of one file. Each is stored until the choice is made, so that a run resumes."""

    model: UserModel
    exporter: Exporter
    source: ModelFile
    """The model that is exported."""
    limits: Limits
    control: TrainedControl | None
    key: str
    folder: Path

    @property
    def _context(self) -> RunContext:
        return self.model.context

    def run(self, layers: Mapping[str, str]) -> MixedTrial:
        """Return the trial of some precisions, by layer: a stored one, or made now."""
        chosen = dict(sorted(layers.items()))
        name = f"{self.key}-{content_key('trial', chosen)[:16]}"
        path = self._context.store.checkpoint(name, ".json")
        try:
            return MixedTrial.model_validate_json(path.read_bytes())
        except (FileNotFoundError, ValidationError):  # A damaged one is made again.
            trial = self._made(chosen)
            write_bytes(path, trial.model_dump_json().encode())
            return trial

    def _made(self, layers: dict[str, str]) -> MixedTrial:
        shown = ", ".join(f"{name} {each}" for name, each in layers.items())
        self._context.emit("export", f"trying {shown or 'int8 for all layers'}")
        file = self._exported(self.exporter.with_layers(layers), self.source, "trial")
        is_timed = has_limit(self.limits, "time")
        twin, *_ = self._twin_and_float
        measured = self._measured([twin, file] if is_timed else [file], is_timed=is_timed)
        candidate = measured[-1]
        task, targets = self.model.recipe.task, self._targets
        beside = [measured[0], candidate] if is_timed else [candidate]
        baseline, reference = self._outputs
        margin = self.limits.margin_points
        compared = compare_all(beside, baseline, targets, task, self._context.threads, margin)
        compared = with_control(compared, beside, self._control_outputs, targets, task, margin)
        compared = [each for each in compared if not each.is_twin]
        facts = data_facts(self.model.data, task)
        gates = limit_gates(compared, self.limits, task, facts, machine())
        failed = [
            gate.name
            for gate in gates
            if gate.outcome == "failed" or (gate.name == DROP and _is_open(gate))
        ]
        drops = [each.against_better for each in compared]
        differences = [each.statistics.difference for each in drops if each.statistics is not None]
        lows = [each.interval_points[0] for each in differences if each is not None]
        lost = [each.difference_points for each in drops if each.difference_points is not None]
        layers_of_file = file.artifact.layers
        return MixedTrial(
            layers=layers,
            weights={each.name: each.weights for each in layers_of_file},
            dense=[each.name for each in layers_of_file if len(each.shape) == 2],
            bytes=file.artifact.bytes,
            error=error_of(candidate.outputs, reference),
            lost_points=-min(lost) if lost else None,
            worst_points=-min(lows) if lows else None,
            broken=[name for name in failed if evidence_of(name) == "answers"],
            over=[name for name in failed if evidence_of(name) != "answers"],
            speedup=compared[0].speedup,
        )

    def _exported(self, exporter: Exporter, source: ModelFile, stem: str) -> MeasuredFile:
        path = self.folder / f"{stem}.{exporter.format}"
        images = calibration_of(exporter, self.model.data)
        artifact = self._context.converter.export(source, exporter, images, path)
        return MeasuredFile(replace(artifact, path=path.name), path)

    def _measured(self, files: list[MeasuredFile], *, is_timed: bool = False) -> list[Measurement]:
        images = self.model.data.validation.images
        found, failures = self._context.measurements.measure(files, images, timed=is_timed)
        for name, reason in failures.items():
            raise RuntimeFailure(name, reason)
        return found

    @property
    def _targets(self) -> Targets | None:
        data = self.model.data
        return data.validation.labels if data.has_labels else None

    @cached_property
    def _twin_and_float(self) -> tuple[MeasuredFile, MeasuredFile]:
        """The float32 files of the baseline, and of the model that is exported."""
        exporter = self.exporter.twin()
        twin = self._exported(exporter, self.model.source, TWIN_STEM)
        if self.source.sha256 == self.model.source.sha256:
            return twin, twin
        return twin, self._exported(exporter, self.source, "float")

    @cached_property
    def _outputs(self) -> tuple[Outputs, Outputs]:
        """Outputs of both float32 files for the validation images."""
        twin, own = self._twin_and_float
        found = self._measured([twin] if twin is own else [twin, own])
        return found[0].outputs, found[-1].outputs

    @cached_property
    def _control_outputs(self) -> ControlOutputs | None:
        control = self.control
        if control is None or control.file is None or control.outputs is None:
            return None
        split, task = self.model.data.validation, self.model.recipe.task
        outputs = baseline_predictions(control.file, split, task, self._context).outputs
        return replace(control.outputs, outputs=outputs)


def _is_open(gate: Gate) -> bool:
    """Return True if images are too few for a limit that was judged."""
    return gate.outcome == "inconclusive" and gate.observed is not None


def error_of(outputs: Outputs, reference: Outputs) -> float:
    """Return the mean squared difference of outputs from a reference, over its variance.

    >>> rows = np.array([[0.0], [2.0]], np.float32)
    >>> error_of(Outputs.one(rows + 1), Outputs.one(rows))
    1.0
    """
    found = []
    pairs = zip(outputs.arrays.values(), reference.arrays.values(), strict=True)
    for own, wanted in pairs:  # One exporter wrote both: their outputs have one order.
        noise = float(np.mean((own.astype(np.float64) - wanted) ** 2))
        found.append(noise / max(float(np.var(wanted, dtype=np.float64)), 1e-12))
    return float(np.mean(found))
