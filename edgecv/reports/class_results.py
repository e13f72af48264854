"""Answers of models by class: pictures and tables of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecv.core.class_results import ClassResults, ModelResults
from edgecv.core.comparison import Measurement
from edgecv.core.data import Dataset, Outputs
from edgecv.core.plugins import Task
from edgecv.core.report import DataFacts
from edgecv.core.text import TextTable, counted, name_at
from edgecv.reports.contact_sheet import Tile, write_contact_sheet
from edgecv.reports.png import literal, new_figure, write_picture

MOST_IMAGES = 24
MOST_DRAWN = 30
"""Classes of a confusion matrix that can be read; of more, those with most wrong answers."""
MOST_ROWS = 20
CONFUSION, RELIABILITY, WORST = "confusion.png", "reliability.png", "worst.png"


def model_results(
    baseline: tuple[str, Outputs], candidates: Sequence[Measurement], data: Dataset, task: Task
) -> tuple[ModelResults, ...]:
    """Return the results of the baseline and of files, for each head that has classes."""
    if data.test_labels is None:
        return ()
    models = [baseline, *((each.artifact.path, each.outputs) for each in candidates)]
    found = []
    for head in task.heads():
        targets, classes = head.targets(data.test_labels), len(head.data(data).class_names)
        if targets is None:
            continue
        for path, outputs in models:
            own = head.of(outputs)
            results = head.task.class_results(own, targets, classes)
            if results is not None:
                worst = head.task.worst(own, targets, MOST_IMAGES)
                found.append(ModelResults(path, head.name, results, worst))
    return tuple(found)


def write_pictures(
    results: Sequence[ModelResults], outputs: Outputs, data: Dataset, task: Task, folder: Path
) -> None:
    """Draw what the results have: confusion matrix and worst images of the first model.

    And the calibration of all.
    """
    if not results:
        return
    first = results[0]
    head = task.head_called(first.head)
    own = head.data(data)
    if first.results.wrong_cells is not None:
        write_confusion(first.results, own.class_names, folder / CONFUSION)
    if first.results.reliability:
        of_head = [each for each in results if each.head == first.head]
        write_reliability(of_head, folder / RELIABILITY)
    if first.worst:
        before = head.of(outputs)
        tiles = [
            Tile(
                place,
                own.test.images[place],
                (
                    head.task.truth(own, place),
                    head.task.answer_text(before, own.class_names, place),
                ),
                "loss",
                head.task.truth(own, place),
            )
            for place in first.worst
        ]
        title = f"{first.path}: {counted(len(tiles), 'image')} that it is most wrong about"
        write_contact_sheet(title, tiles, folder / WORST)


def write_confusion(results: ClassResults, names: Sequence[str], path: Path) -> None:
    """Draw the confusion matrix, as fractions of the images of each class."""
    shown, counts = confusion_matrix(results)
    matrix = counts / np.maximum([[results.classes[label].images] for label in shown], 1)
    labels = [literal(name_at(names, label)[:16]) for label in shown]
    figure = new_figure(3 + 0.28 * len(shown), 2.6 + 0.26 * len(shown))
    axes = figure.subplots()
    image = axes.imshow(matrix, vmin=0, vmax=1, cmap="Blues")
    axes.set_xticks(range(len(shown)), labels, rotation=90)
    axes.set_yticks(range(len(shown)), labels)
    few = (
        "" if len(shown) == len(results.classes) else f", the {len(shown)} with most wrong answers"
    )
    left_out = left_out_text(results)
    below = f"answer\n{left_out}" if left_out else "answer"
    axes.set(title=f"Confusion{few}", xlabel=below, ylabel="class")
    figure.colorbar(image, label="fraction of the class")
    write_picture(figure, path)


def left_out_text(results: ClassResults) -> str:
    """Return which wrong answers a report does not hold; empty where it holds all of them."""
    left_out = (results.wrong_cells or 0) - len(results.confusion)
    return f"without the rarest {counted(left_out, 'kind')} of wrong answers" * (left_out > 0)


def confusion_matrix(
    results: ClassResults, most: int = MOST_DRAWN
) -> tuple[list[int], NDArray[np.int64]]:
    """Return the classes with most wrong answers, in their order, and how often each is called."""
    wrong = {each.label: each.images - each.right for each in results.classes}
    worst = sorted(wrong, key=lambda label: (-wrong[label], label))[:most]
    shown = sorted(worst)
    place = {label: number for number, label in enumerate(shown)}
    matrix = np.zeros((len(shown), len(shown)), np.int64)
    for cell in results.confusion:
        if cell.label in place and cell.answer in place:
            matrix[place[cell.label], place[cell.answer]] = cell.images
    for label in shown:
        matrix[place[label], place[label]] = results.classes[label].right
    return shown, matrix


def write_reliability(results: Sequence[ModelResults], path: Path) -> None:
    """Draw accuracy over confidence, a line for each model; one that is calibrated is diagonal."""
    figure = new_figure(5, 4.4)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    for each in results:
        bins, error = each.results.reliability, each.results.calibration_error
        x, y = [one.confidence for one in bins], [one.accuracy for one in bins]
        label = each.path if error is None else f"{each.path}: error {error:.1%}"
        axes.plot(x, y, marker=".", label=literal(label))
    axes.set(title="Calibration", xlabel="confidence", ylabel="fraction right")
    axes.grid(alpha=0.3)
    axes.legend()
    write_picture(figure, path)


def class_table(model: ModelResults, data: DataFacts) -> TextTable:
    """Return a row for each class of a run, of many those with the lowest score."""
    names = data.head_classes.get(model.head, data.classes)
    counts = {} if model.head else data.class_counts
    return table_of_classes(model.results, names, counts)


def table_of_classes(
    results: ClassResults, names: Sequence[str], counts: Mapping[str, Sequence[int]]
) -> TextTable:
    """Return a row for each class; of many those with the lowest score, or recall without one.

    ``counts``: the images of each class in each split, where they are known.
    """
    below = []
    if results.calibration_error is not None:
        below.append(f"Expected calibration error {results.calibration_error:.2%}.")
    if results.unit != "images":
        below.append(f"Precision and recall of {results.unit}.")
    shown, by = list(results.classes), results.metric or "recall"
    if len(shown) > MOST_ROWS:
        keyed = {each.label: each.score if results.metric else each.sensitivity for each in shown}
        known = [each for each in shown if keyed[each.label] is not None]
        shown = sorted(known, key=lambda each: (keyed[each.label], each.label))[:MOST_ROWS]
        of_all = counted(len(results.classes), "class")
        below.append(f"{len(shown)} of {of_all}, those with lowest {by}.")
    further = (results.metric, "F1") if results.metric else ()
    rows = [
        (
            name_at(names, each.label),
            *(f"{found[each.label]:,}" for found in counts.values()),
            *map(_share, (each.precision, each.sensitivity)),
            *map(_share, (each.score, each.f1) if results.metric else ()),
        )
        for each in shown
    ]
    headings = ("class", *counts, "precision", "recall", *further)
    return TextTable(headings, tuple(rows), " ".join(below))


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
