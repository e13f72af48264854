"""Answers of one file for image files, for a first look."""

from dataclasses import dataclass
from typing import get_args

import numpy as np

from edgecv.analysis.described_files import check_is_read_as, report_in, single_file
from edgecv.analysis.options import PredictOptions
from edgecv.analysis.preprocessing import PreprocessingSearch
from edgecv.core.artifact import SessionFacts
from edgecv.core.data import UNKNOWN_LABEL, Dataset, Images, Outputs
from edgecv.core.errors import EdgecvError, InputError
from edgecv.core.files import check_regular, read_regular
from edgecv.core.input_spec import DEFAULT_INPUT
from edgecv.core.plugins import Task
from edgecv.core.report import Report
from edgecv.core.text import counted
from edgecv.datasets.class_order import read_labels
from edgecv.datasets.image_tree.decoding import BadImage, check_shape, decode
from edgecv.datasets.placement import Resize
from edgecv.datasets.splits import hashed
from edgecv.evaluation.task_of import compared_outputs, task_of, usual_task
from edgecv.formats.lookup import device_suffixes, runtime_of_file
from edgecv.pipeline.context import AnalysisContext

LARGEST_BYTES = 200_000_000
"""The largest image file."""


@dataclass(frozen=True)
class Prediction:
    """The answer of a file for one image."""

    answer: str
    """The answer in a line, as the task of the file gives it."""
    outputs: dict[str, object]
    """Each output as the task takes it, as lists of numbers, by its name."""


Predictions = list[tuple[str, Prediction | EdgecvError]]


def predict(options: PredictOptions, context: AnalysisContext) -> Predictions:
    """Return the answer for each image; an error is the result of its image.

    Raises InputError where the file cannot be used.
    """
    path = options.file
    check_regular(path, str(path))
    if path.suffix.lower() not in device_suffixes().split(", "):
        raise InputError(str(path), "is no file for a device", accepted=device_suffixes())
    if not path.exists():
        raise InputError(str(path), "there is no such file", accepted=device_suffixes())
    task = options.parsed_task()
    report = report_in(path.parent)
    file = single_file(path, options.input_spec, report)
    if options.input_spec != DEFAULT_INPUT:
        check_is_read_as(options.input_spec, [file.input_spec])
    if report is not None and file.artifact.sha256 not in {
        each.artifact.sha256 for each in report.comparisons
    }:
        report = None  # Another file in the folder of a run.
    runtime = runtime_of_file(path).name
    facts = context.measurements.open(runtime, path, file.input_spec)
    names = _names(options, report, facts)
    found: dict[int, Prediction | EdgecvError] = {}
    images, places = _decoded(options, facts, _resize(options, report), found)
    if places:
        task = task or (usual_task(facts.answers) if report is None else task_of(report))
        search = PreprocessingSearch(_as_data(images, names), task, context)
        spec, _ = search.settled_input(path, file.input_spec)
        raw = context.measurements.predict(runtime, path, images, spec)
        task, outputs = _normalized(task, raw, facts, context)
        for row, place in enumerate(places):
            values = {key: each[row].tolist() for key, each in outputs.arrays.items()}
            found[place] = Prediction(task.answer_text(outputs, names, row), values)
    return [(str(name), found[place]) for place, name in enumerate(options.images)]


def _names(options: PredictOptions, report: Report | None, facts: SessionFacts) -> tuple[str, ...]:
    """Return the names that are given, else those of the run, else of labels.txt beside it."""
    beside = options.file.parent / "labels.txt"
    if options.labels is not None:
        names = read_labels(options.labels)
    elif report is not None:
        return report.data.classes
    elif beside.is_file():
        names = read_labels(beside)
    else:
        return ()
    sides = [side for side in facts.answers[0] if side != 1]
    if len(sides) > 1 or len(facts.answers) > 1:
        return names  # Boxes, maps and several outputs: no number of one row stands for each name.
    numbers = sides[0] if sides else 1
    if len(names) != numbers and (numbers, len(names)) != (1, 2):
        where = str(options.labels or beside)
        found = f"has {counted(len(names), 'name')}, the file gives {numbers} numbers"
        raise InputError(where, found, accepted="one each", remedy="--labels FILE")
    return names


def _resize(options: PredictOptions, report: Report | None) -> Resize:
    """Return how photographs are fitted: as it is given, else as the run's own images were."""
    if options.resize is not None:
        return options.resize
    own = None if report is None else report.recipe.get("data", {}).get("resize")
    return next((each for each in get_args(Resize) if each == own), "stretch")


def _decoded(
    options: PredictOptions,
    facts: SessionFacts,
    resize: Resize,
    found: dict[int, Prediction | EdgecvError],
) -> tuple[Images, list[int]]:
    """Return the images that can be read, and their places; errors of others go to ``found``."""
    check_shape(facts.image, str(options.file))
    images: list[Images] = []
    places = []
    for place, path in enumerate(options.images):
        try:
            content = read_regular(path, LARGEST_BYTES, accepted="PNG, JPEG, WebP or BMP")
            images.append(decode(content, facts.image, resize)[0])
            places.append(place)
        except InputError as error:
            found[place] = error
        except (BadImage, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            found[place] = InputError(str(path), f"cannot be read: {reason}")
    return np.stack(images) if images else np.zeros((0, *facts.image), np.uint8), places


def _as_data(images: Images, names: tuple[str, ...]) -> Dataset:
    """Return images as a data set without labels."""
    test = hashed(images, np.full(len(images), UNKNOWN_LABEL, np.int64))
    none = hashed(images[:0], test.labels[:0])
    return Dataset("images", names, none, none, none, test, has_labels=False)


def _normalized(
    task: Task, raw: Outputs, facts: SessionFacts, context: AnalysisContext
) -> tuple[Task, Outputs]:
    """Return outputs as the task takes them; as plain numbers where they are none of the task."""
    try:
        outputs, notes = task.normalized(raw, facts.scales)
    except ValueError as error:
        context.emit("note", f"{error}: numbers are shown")
        return compared_outputs(), raw
    for note in notes:
        context.emit("note", note)
    return task, outputs
