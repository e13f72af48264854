"""The preprocessing of the files and the baseline of an analysis, found as a run finds it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edgecv.core.artifact import PRECISION_NOT_KNOWN
from edgecv.core.data import Dataset, Images
from edgecv.core.errors import RuntimeFailure
from edgecv.core.input_evidence import InputEvidence
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.plugins import Task
from edgecv.core.preprocessing import NAMED, Preprocessing
from edgecv.core.sample import sample_rows
from edgecv.core.text import counted
from edgecv.formats.image_input import names_by_range
from edgecv.formats.lookup import runtime_of_file
from edgecv.pipeline.context import AnalysisContext
from edgecv.pipeline.measure import MeasuredFile
from edgecv.pipeline.preprocessing import (
    OF_A_RUN,
    ModelReader,
    check_range,
    choose_preprocessing,
    one_by_one,
)
from edgecv.pipeline.preprocessing.trial import run_agreement_trial
from edgecv.system.storage import is_of_run

RAW = Preprocessing()
IMAGES = 200
"""Images for the agreement of a file with its baseline."""
SettledInput = tuple[InputSpec, tuple[str, ...]]
"""Input of a file, and notes on how it was found."""


@dataclass(frozen=True)
class ReadModels:
    """Files of one image size, and the baseline that they are compared with, as each is read."""

    files: tuple[MeasuredFile, ...]
    baseline: Path | None = None
    baseline_input: InputSpec = DEFAULT_INPUT
    is_of_run: bool = False
    """True if the report of a run says how the baseline is read."""


@dataclass(frozen=True)
class PreprocessingSearch:
    """The search for how each file is read, by its answers for test images.

    The task says which answers are better, or the same.
    """

    data: Dataset
    task: Task
    context: AnalysisContext

    def settled(self, models: ReadModels) -> tuple[ReadModels, tuple[str, ...]]:
        """Return models with the preprocessing of each, and notes.

        The baseline decides for the files that are measured against it. Raises InputError where
        another preprocessing is clearly better, or none can be known.
        """
        notes: list[str] = []
        if models.baseline is not None and not models.is_of_run:
            asked = models.baseline_input.preprocess
            spec, added = self.settled_input(models.baseline, models.baseline_input)
            notes += added
            files = models.files if asked is not None else _read_as(models.files, spec.preprocess)
            models = replace(models, files=files, baseline_input=spec)
        files_read: list[MeasuredFile] = []
        for file in models.files:
            try:
                spec, added = self._settled_file(file, models)
            except RuntimeFailure:  # It cannot be run: that becomes the reason of its gate.
                spec, added = file.input_spec, ()
            files_read.append(replace(file, input_spec=spec))
            notes += added
        for note in notes:
            self.context.emit("note", note)
        return replace(models, files=tuple(files_read)), tuple(notes)

    def settled_input(self, path: Path, spec: InputSpec) -> SettledInput:
        """Return how a model of any origin is read, and notes; see ``choose_preprocessing``."""
        reader = self._reader(path, spec)
        if spec.preprocess not in (None, RAW):
            rescaling = reader.evidence(self._some_images()).rescaling
            if rescaling and runtime_of_file(path).needs_tensorflow:
                own = f"{path}: {rescaling}, so that pixels of 0..255 enter it without --preprocess"
                return spec.model_copy(update={"preprocess": RAW}), (own,)
        if spec.preprocess is None and not is_of_run(path):  # A run has read it as it is.
            declared = self._range(path, spec)
            if declared:
                check_range(reader, self.data, self.task, declared)
        choice = choose_preprocessing(reader, self.data, self.task, spec.preprocess)
        notes = tuple(f"{path}: {note}" for note in choice.notes)
        found = choice.preprocess
        if found is None:
            return spec, notes
        chosen = NAMED[found] if isinstance(found, str) else found
        return spec.model_copy(update={"preprocess": chosen}), notes

    def _settled_file(self, file: MeasuredFile, models: ReadModels) -> SettledInput:
        path, spec = file.path, file.input_spec
        if file.artifact.precision != PRECISION_NOT_KNOWN:
            return spec, ()  # The report of its run describes it.
        declared = self._range(path, spec)
        if spec.preprocess not in (None, RAW) and declared == "0..255":
            note = (
                f"{path}: its integer input stands for 0 to 255, so that --preprocess is part of it"
            )
            return spec.model_copy(update={"preprocess": RAW}), (note,)
        if models.baseline is None:
            return self.settled_input(path, spec)
        if spec.preprocess in (None, RAW):
            return spec, ()
        notes: tuple[str, ...] = ()
        if declared and NAMED[declared] != spec.preprocess:
            notes = (
                f"{path}: has an input for pixels as {declared}, which is not the --preprocess"
                " that was given: was it calibrated with other pixels?",
            )
        found, further = self._by_agreement(
            file, spec.preprocess, models.baseline, models.baseline_input
        )
        return found, (*notes, *further)

    def _by_agreement(
        self, file: MeasuredFile, asked: Preprocessing, baseline: Path, baseline_input: InputSpec
    ) -> SettledInput:
        """Read a file without preprocessing if it answers as its baseline only then.

        Its own first layers have the preprocessing in them, as those of edgecv's exports have.
        """
        images, name = self._some_images(), runtime_of_file(baseline).name
        values = self.context.measurements.predict(name, baseline, images, baseline_input)
        reader = self._reader(file.path, file.input_spec)
        choices = {"asked": asked, "raw": RAW}
        trial = run_agreement_trial(reader, choices, images, values, self.task)
        if not trial.is_better("raw", "asked"):
            return file.input_spec, ()
        note = (
            f"{file.path}: pixels of 0..255 enter it as they are, as --preprocess is part of it: it"
            f" agrees with the baseline on {trial.mean('raw'):.1%} of"
            f" {counted(trial.images, 'image')} so, and on"
            f" {trial.mean('asked'):.1%} otherwise"
        )
        return file.input_spec.model_copy(update={"preprocess": RAW}), (note,)

    def _some_images(self) -> Images:
        return self.data.test.images[sample_rows(len(self.data.test), IMAGES)]

    def _range(self, path: Path, spec: InputSpec) -> str:
        """Return the preprocessing that the range of an integer input shows; empty where none."""
        facts = self.context.measurements.open(runtime_of_file(path).name, path, spec)
        if facts.input.scale is None:
            return ""
        names = names_by_range(facts.input, facts.image[2])
        return names[0] if len(names) == 1 else ""

    def _reader(self, path: Path, spec: InputSpec) -> ModelReader:
        """Return a file as the search for its preprocessing reads it."""
        pool, name = self.context.measurements, runtime_of_file(path).name

        def evidence(images: Images) -> InputEvidence:
            if is_of_run(path):
                return InputEvidence(OF_A_RUN)
            return pool.evaluator(name).input_evidence(path, images, spec)

        predict = one_by_one(
            str(path),
            spec,
            lambda images, asked: pool.predict(name, path, images, asked),
            partial(self.context.emit, "evaluate"),
        )
        return ModelReader(str(path), predict, evidence)


def _read_as(
    files: Sequence[MeasuredFile], preprocess: Preprocessing | None
) -> tuple[MeasuredFile, ...]:
    """Return files of other makers as they are read with the baseline's preprocessing."""
    if preprocess is None:
        return tuple(files)
    return tuple(
        replace(file, input_spec=file.input_spec.model_copy(update={"preprocess": preprocess}))
        if file.artifact.precision == PRECISION_NOT_KNOWN
        else file
        for file in files
    )
