"""Learning curves of a training as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgecv.core.plugins import Curves
from edgecv.reports.png import write_picture


def write_curves(history: Sequence[Any], terms: Curves, path: Path) -> None:
    """Draw loss and score of each epoch into a PNG file."""
    from matplotlib.figure import Figure

    epochs = [each.epoch for each in history]
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(epochs, [each.loss for each in history], marker=".")
    left.set(title="Training loss", xlabel="epoch", ylabel=terms.loss)
    right.plot(epochs, [each.score for each in history], marker=".", label="training")
    validation = [each.validation_score for each in history]
    right.plot(epochs, validation, marker=".", label="validation")
    best = max(history, key=lambda each: (each.validation_score, each.epoch))
    right.axvline(best.epoch, color="grey", linewidth=0.8, label=f"best: epoch {best.epoch}")
    right.set(title=terms.score.capitalize(), xlabel="epoch", ylabel=terms.score_axis)
    right.legend()
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    write_picture(figure, path)
