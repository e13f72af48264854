"""The preprocessing of the files and the baseline of an analysis, found as a run finds it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edgecv.analysis.measure_files import SizeGroup
from edgecv.analysis.validate_request import ValidationRequest
from edgecv.core.errors import RuntimeFailure
from edgecv.core.input_evidence import InputEvidence
from edgecv.core.input_spec import InputSpec
from edgecv.core.plugins import Task
from edgecv.core.preprocessing import NAMED, Preprocessing
from edgecv.core.records import PRECISION_NOT_KNOWN, Dataset, Images, Outputs
from edgecv.core.sample import sample_rows
from edgecv.formats.image_input import names_by_range
from edgecv.formats.lookup import runtime_of_file
from edgecv.pipeline.context import AnalysisContext
from edgecv.pipeline.measure import MeasuredFile
from edgecv.pipeline.preprocessing import OF_A_RUN, ModelReader, choose_preprocessing
from edgecv.pipeline.preprocessing.trial import run_agreement_trial
from edgecv.system.storage import is_sealed

RAW = Preprocessing()
IMAGES = 200
"""Images for the agreement of a file with its baseline."""


def settled(
    request: ValidationRequest,
    groups: Sequence[SizeGroup],
    data: Dataset,
    task: Task,
    context: AnalysisContext,
) -> tuple[ValidationRequest, list[SizeGroup], tuple[str, ...]]:
    """Return a request and its groups with the preprocessing of each model, and notes.

    The baseline decides for the files that are measured against it. Raises InputError where
    another preprocessing is clearly better, or none can be known.
    """
    notes: list[str] = []
    if request.baseline is not None and not request.baseline_is_of_run:
        asked = request.baseline_input.preprocess
        spec, said = settled_input(request.baseline, request.baseline_input, data, task, context)
        notes += said
        found = None if spec.preprocess == asked or asked is not None else spec.preprocess
        request = replace(request, baseline_input=spec)
        groups = [replace(each, files=_read_as(each.files, found)) for each in groups]
    specs: dict[Path, InputSpec] = {}
    for group in groups:
        for file in group.files:
            if file.artifact.precision != PRECISION_NOT_KNOWN:
                continue
            try:
                spec, said = _settled_file(file, request, group.data, task, context)
            except RuntimeFailure:
                continue  # It cannot be run: that becomes the reason of its gate.
            specs[file.path] = spec
            notes += said
    for note in notes:
        context.emit("note", note)
    changed = [replace(each, files=_with_specs(each.files, specs)) for each in groups]
    request = replace(
        request,
        files=_with_specs(request.files, specs),
        unproven=_with_specs(request.unproven, specs),
    )
    return request, changed, tuple(notes)


def settled_input(
    path: Path, spec: InputSpec, data: Dataset, task: Task, context: AnalysisContext
) -> tuple[InputSpec, tuple[str, ...]]:
    """Return how a model of any origin is read, and notes; see ``choose_preprocessing``."""
    reader = _reader(path, spec, context)
    if spec.preprocess not in (None, RAW):
        images = data.test.images[sample_rows(len(data.test), IMAGES)]
        rescaling = reader.evidence(images).rescaling
        if rescaling and runtime_of_file(path).needs_tensorflow:
            own = f"{path}: {rescaling}, so that pixels of 0..255 enter it without --preprocess"
            return spec.model_copy(update={"preprocess": RAW}), (own,)
    choice = choose_preprocessing(reader, data, task, spec.preprocess)
    notes = tuple(f"{path}: {note}" for note in choice.notes)
    if choice.name is None:
        return spec, notes
    return spec.model_copy(update={"preprocess": NAMED[choice.name]}), notes


def _settled_file(
    file: MeasuredFile,
    request: ValidationRequest,
    data: Dataset,
    task: Task,
    context: AnalysisContext,
) -> tuple[InputSpec, tuple[str, ...]]:
    path, spec = file.path, file.input_spec
    if spec.preprocess not in (None, RAW) and _takes_bytes(path, spec, context):
        note = f"{path}: its integer input stands for 0 to 255, so that --preprocess is part of it"
        return spec.model_copy(update={"preprocess": RAW}), (note,)
    if request.baseline is None:
        return settled_input(path, spec, data, task, context)
    if spec.preprocess in (None, RAW):
        return spec, ()
    return _by_agreement(file, request, data, task, context)


def _by_agreement(
    file: MeasuredFile,
    request: ValidationRequest,
    data: Dataset,
    task: Task,
    context: AnalysisContext,
) -> tuple[InputSpec, tuple[str, ...]]:
    """Read a file without preprocessing if it answers as its baseline only then.

    Its own first layers have the preprocessing in them, as those of edgecv's exports have.
    """
    assert request.baseline is not None
    assert file.input_spec.preprocess is not None
    images = data.test.images[sample_rows(len(data.test), IMAGES)]
    baseline, name = request.baseline, runtime_of_file(request.baseline).name
    values = context.measurements.predict(name, baseline, images, request.baseline_input)
    choices = {"asked": file.input_spec.preprocess, "raw": RAW}
    reader = _reader(file.path, file.input_spec, context)
    trial = run_agreement_trial(reader, choices, images, Outputs.one(values), task)
    if not trial.is_better("raw", "asked"):
        return file.input_spec, ()
    note = (
        f"{file.path}: pixels of 0..255 enter it as they are, as --preprocess is part of it: it"
        f" agrees with the baseline on {trial.mean('raw'):.1%} of {trial.images} images so, and on"
        f" {trial.mean('asked'):.1%} otherwise"
    )
    return file.input_spec.model_copy(update={"preprocess": RAW}), (note,)


def _takes_bytes(path: Path, spec: InputSpec, context: AnalysisContext) -> bool:
    """Return True if an integer input stands for pixels of 0..255."""
    facts = context.measurements.open(runtime_of_file(path).name, path, spec)
    if facts.input.scale is None:
        return False
    return names_by_range(facts.input, facts.image[2]) == ["0..255"]


def _reader(path: Path, spec: InputSpec, context: AnalysisContext) -> ModelReader:
    """Return a file as the search for its preprocessing reads it."""
    pool, name = context.measurements, runtime_of_file(path).name

    def predict(images: Images, choices: Mapping[str, Preprocessing]) -> Mapping[str, Outputs]:
        found = {}
        for key, choice in choices.items():
            asked = spec.model_copy(update={"preprocess": choice})
            found[key] = Outputs.one(pool.predict(name, path, images, asked))
        return found

    def evidence(images: Images) -> InputEvidence:
        if is_sealed(path):
            return InputEvidence(OF_A_RUN)
        return pool.evaluator(name).input_evidence(path, images, spec)

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


def _with_specs(
    files: Sequence[MeasuredFile], specs: Mapping[Path, InputSpec]
) -> tuple[MeasuredFile, ...]:
    return tuple(replace(file, input_spec=specs.get(file.path, file.input_spec)) for file in files)
