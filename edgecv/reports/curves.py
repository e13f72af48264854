"""Learning curves of trainings as a picture."""

from collections.abc import Sequence
from pathlib import Path

from edgecv.core.plugins import Curves
from edgecv.core.report import TrainingCurve
from edgecv.reports.png import new_figure, write_picture

CURVES = "curves.png"


def write_curves(trainings: Sequence[TrainingCurve], terms: Curves, path: Path) -> None:
    """Draw loss and score of each epoch into a PNG file: a row for each training."""
    figure = new_figure(9, 3.5 * len(trainings))
    rows = figure.subplots(len(trainings), 2, squeeze=False)
    for training, (left, right) in zip(trainings, rows, strict=True):
        epochs = [each["epoch"] for each in training.epochs]
        for axes, name in ((left, "loss"), (right, terms.score)):
            for label, key in (("training", name), ("validation", f"validation_{name}")):
                if key in training.epochs[0]:
                    axes.plot(epochs, [each[key] for each in training.epochs], ".-", label=label)
        kept = f"validation_{terms.score}"
        best = kept_epoch(training, kept)
        right.axvline(best, color="grey", linewidth=0.8, label=f"best: epoch {best}")
        left.set(title=f"{training.name}: loss", ylabel=terms.loss)
        right.set(title=f"{training.name}: {terms.score}", ylabel=terms.score_axis)
        for axes in (left, right):
            axes.set(xlabel="epoch")
            axes.legend()
            axes.grid(alpha=0.3)
            axes.xaxis.get_major_locator().set_params(integer=True)
    write_picture(figure, path)


def kept_epoch(training: TrainingCurve, score: str) -> int:
    """Return the epoch whose weights were kept: the last of the best ones that are settled."""
    ranked = [(each.get("settled", True), each[score], each["epoch"]) for each in training.epochs]
    return int(max(ranked)[2])  # type: ignore[arg-type]
