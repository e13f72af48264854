"""The exported files of a run: planned, exported once, stored, and checked."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from edgecv.core.artifact import TWIN_STEM
from edgecv.core.data import Dataset
from edgecv.core.errors import EdgecvError, InputError, RuntimeFailure
from edgecv.core.images import ImageRows, ImageSequence, chunks, image_rows
from edgecv.core.plugins import Exporter, ModelProperty
from edgecv.core.registry import EXPORTERS
from edgecv.core.text import counted
from edgecv.evaluation.comparison import is_twin
from edgecv.evaluation.scale_parity import check_same_scales
from edgecv.formats.model_file import ModelFile
from edgecv.pipeline.context import RunContext
from edgecv.pipeline.measure import MeasuredFile
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.reports.json_file import read_artifact
from edgecv.system.environment import environment
from edgecv.system.storage import content_key, copy_file
from edgecv.system.timing_slot import SLOT

STAGE_VERSION = 10
DECIDED_HERE = "on this processor"
"""Part of a note on what a file owes to the exporting machine: it is said at once."""
NARROW = 8
"""Calibration pixels are refused if their range times this is below that of the test images."""


@dataclass(frozen=True)
class PlannedExport:
    """One file that a run will write."""

    name: str
    exporter: Exporter
    is_twin: bool


@contextmanager
def _called(name: str, stored: str) -> Iterator[None]:
    """Call a file in an error as the run does, not as the store."""
    try:
        yield
    except EdgecvError as error:
        error.where = name if error.where == stored else error.where
        raise


def planned_exports(recipe: Recipe, shared_kernels: Collection[str] = ()) -> list[PlannedExport]:
    """Return the files of a run, twins before their candidates.

    Without techniques a float32 candidate is its twin, and is written once. ``shared_kernels``:
    layers whose kernel has one scale in a candidate.
    """
    planned: dict[str, PlannedExport] = {}
    for exporter in recipe.exports:
        twin = f"{TWIN_STEM}.{exporter.format}"
        planned.setdefault(twin, PlannedExport(twin, exporter.twin(), True))
        name = f"{exporter.precision}.{exporter.format}"
        if name == twin and recipe.techniques:
            name = f"compressed-{name}"
        elif name == twin:
            planned[twin] = PlannedExport(twin, exporter, True)
        candidate = exporter.with_one_scale(shared_kernels)
        planned.setdefault(name, PlannedExport(name, candidate, False))
    return list(planned.values())


@dataclass(frozen=True)
class RunExports:
    """Exports the models of one run into its folder."""

    data: Dataset
    folder: Path
    context: RunContext

    def export_all(
        self,
        planned: Sequence[PlannedExport],
        baseline: ModelFile,
        compressed: ModelFile,
        quantized: ModelFile | None = None,
    ) -> tuple[list[MeasuredFile], dict[str, str]]:
        """Export the float32 twins of the baseline, and the compressed model as the recipe asks.

        ``quantized``: the model with trained ranges, which int8 files are made from if there is
        one.
        Returns the files, and name -> reason for those whose converter crashed, hung or ran out of
        memory: they do not end the others. What an exporter refuses ends the run.
        """
        files, failures = [], {}
        for each in planned:
            try:
                source = baseline if each.is_twin else compressed
                if quantized is not None and each.exporter.precision == "int8":
                    source = quantized
                files.append(self.export(each, source))
            except RuntimeFailure as failure:
                failures[each.name] = failure.reason
        return files, failures

    def export(self, planned: PlannedExport, original: ModelFile) -> MeasuredFile:
        """Export a model into the run's folder, or copy what an earlier run has exported."""
        exporter, stored = planned.exporter, f"artifact.{planned.exporter.format}"
        images = calibration_of(exporter, self.data)
        key = self._key(exporter, original, images)
        known = self.context.store.find("exports", key) is not None
        name = planned.name
        self.context.emit("export", f"{name} is stored already" if known else f"writing {name}")

        def make(draft: Path) -> None:
            # ONNX files of integers are timed while they are written.
            with (
                SLOT.alone() if exporter.format == "onnx" else nullcontext(),
                _called(name, stored),
            ):
                self.context.converter.export(original, exporter, images, draft / stored)

        found = self.context.store.stage("exports", key, make)
        path = self.folder / planned.name
        copy_file(found / stored, path)
        artifact = replace(read_artifact(found / "artifact.json"), path=planned.name)
        for note in artifact.notes:
            if DECIDED_HERE in note:
                self.context.emit("note", f"{planned.name}: {note}")
        return MeasuredFile(artifact, path)

    def _key(self, exporter: Exporter, original: ModelFile, images: ImageSequence) -> str:
        facts = environment()
        versions = [facts[each] for each in ("tensorflow", "tf2onnx", "onnx", "onnxruntime")]
        calibration = self.data.calibration.sha256 if len(images) else ""
        return content_key(
            "export",
            STAGE_VERSION,
            EXPORTERS.identity(exporter),
            len(images),
            original.sha256,
            calibration,
            versions,
            exporter.processor_facts,
        )


def calibration_of(exporter: Exporter, data: Dataset) -> ImageRows:
    """Return the calibration images of an export: uint8 (N, H, W, C)."""
    return image_rows(data.calibration.images).at(slice(exporter.range_images))


def calibration_notes(recipe: Recipe, data: Dataset) -> tuple[str, ...]:
    """Return a sentence for each number of calibration images."""
    counts = {
        len(calibration_of(exporter, data)) for exporter in recipe.exports if exporter.is_calibrated
    }
    trained = [each.name for each in recipe.techniques if ModelProperty.QUANTIZERS in each.makes]
    found = f"ranges found in the training of {trained[0]}, others" if trained else "ranges found"
    return tuple(f"{found} on {counted(count, 'calibration image')}" for count in sorted(counts))


def format_notes(recipe: Recipe) -> tuple[str, ...]:
    """Return a sentence for each precision that not all formats of the recipe can hold."""
    notes = []
    for precision in dict.fromkeys(each.precision for each in recipe.exports):
        written = [each.format for each in recipe.exports if each.precision == precision]
        unable = [
            each.format
            for each in dict.fromkeys(type(each) for each in recipe.exports)
            if precision not in each.precisions
        ]
        if unable:
            formats = f"{precision} is written as {' and '.join(written)} alone"
            notes.append(f"{formats}: {' and '.join(unable)} files cannot be {precision}")
    return tuple(notes)


def check_calibration(recipe: Recipe, data: Dataset) -> None:
    """Raise InputError if calibration images are too few, or unlike the test images."""
    for exporter in recipe.exports:
        asked = exporter.calibration_images or 1
        if exporter.is_calibrated and not len(data.calibration):
            raise InputError(
                data.name,
                "has test images alone, and the ranges of integers are found on training images",
                accepted="test images alone with --quantize none, float16 or dynamic",
                remedy="add training images too",
            )
        if exporter.is_calibrated and asked > len(data.calibration):
            raise InputError(
                "--calibration-images",
                f"{asked} asked for",
                accepted=f"up to {len(data.calibration)} with {data.name}",
            )
        if exporter.is_calibrated:
            _check_range(calibration_of(exporter, data), data)


def _check_range(calibration: ImageSequence, data: Dataset) -> None:
    """Raise InputError if the pixels of the calibration images hardly differ."""
    low, high = _range(calibration)
    test_low, test_high = _range(data.test.images)
    too_narrow = (high - low) * NARROW < test_high - test_low
    if too_narrow or high <= 1:
        raise InputError(
            data.name,
            f"its calibration images hold pixels of {low}..{high}, its test images of "
            f"{test_low}..{test_high}, and a model takes 0..255",
            remedy="bring the training images to 0..255: ranges found on these would be wrong",
        )


def _range(images: ImageSequence) -> tuple[int, int]:
    """Return the smallest and the largest value of images; no more are read once they are found."""
    low, high = 255, 0
    for part in chunks(images):
        low, high = min(low, int(part.min())), max(high, int(part.max()))
        if (low, high) == (0, 255):
            break
    return low, high


def check_promises(recipe: Recipe, files: Sequence[MeasuredFile]) -> tuple[str, ...]:
    """Check the promises of the techniques in the files; raise StepError if one is broken.

    Returns sentences for the report.
    """
    artifacts = [file.artifact for file in files if not is_twin(file.artifact)]
    for artifact in artifacts:
        for technique in recipe.techniques:
            technique.check(artifact.layers, artifact.path)
    if any(technique.precisions for technique in recipe.techniques):
        return check_same_scales(artifacts)
    return ()
