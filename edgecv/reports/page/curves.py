"""Learning curves of a run: loss and score of each training, on both splits."""

import math
from collections.abc import Iterator

from edgecv.core.report import Report, TrainingCurve
from edgecv.reports.page.plot import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, axis_of
from edgecv.reports.page.records import CurvePlot


def curve_plots(report: Report) -> list[CurvePlot]:
    """Return the plots of all trainings of a run, in their order."""
    return [plot for each in report.trainings for plot in _plots(each)]


def _plots(training: TrainingCurve) -> Iterator[CurvePlot]:
    """Yield loss and scores of a training; nothing for one that has no epochs."""
    keys = list(dict.fromkeys(key for epoch in training.epochs for key in epoch))
    scores = [key for key in keys if f"validation_{key}" in keys and key != "loss"]
    for name in ("loss", *scores):
        curves = {
            label: points
            for key, label in ((name, "training"), (f"validation_{name}", "validation"))
            if (points := _points(training, key))
        }
        if curves:
            numbers, values = zip(
                *(point for each in curves.values() for point in each), strict=True
            )
            x = axis_of("epoch", [0.0, *numbers], LEFT, WIDTH - RIGHT)
            y = axis_of(name, values, HEIGHT - BOTTOM, TOP)
            yield CurvePlot(f"{training.name}: {name}", x, y, curves)


def _points(training: TrainingCurve, key: str) -> tuple[tuple[float, float], ...]:
    return tuple(
        (float(number), float(value))
        for number, epoch in enumerate(training.epochs, start=1)
        if (value := epoch.get(key)) is not None and math.isfinite(value)
    )
