"""The part of a page on the answers by class: a table and a confusion matrix of each model."""

from edgecv.core.class_results import ModelResults
from edgecv.core.report import DataFacts, Report
from edgecv.core.text import name_at
from edgecv.reports.class_results import class_table, confusion_matrix, left_out_text
from edgecv.reports.page.records import ClassPart

MOST_CELLS_A_SIDE = 12
"""Classes of a matrix whose counts can be read on a phone."""


def class_parts(report: Report) -> list[ClassPart]:
    """Return the part of each model of a run: none where the outputs are no classes."""
    return [_part(each, report.data) for each in report.results]


def _part(model: ModelResults, data: DataFacts) -> ClassPart:
    names = data.head_classes.get(model.head, data.classes)
    labels, counts = confusion_matrix(model.results, MOST_CELLS_A_SIDE)
    if model.results.wrong_cells is None:
        labels = []
    return ClassPart(
        label=f"{model.head}: {model.path}" if model.head else model.path,
        table=class_table(model, data),
        names=tuple(name_at(names, label) for label in labels),
        unit=model.results.unit,
        left_out=left_out_text(model.results),
        is_part=len(labels) < len(model.results.classes),
        counts=tuple(map(tuple, counts.tolist())),
        images=tuple(model.results.classes[label].images for label in labels),
    )
