"""The choice of a preprocessing: asked for, in the graph, by labels, or by batch normalization."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgecv.core.data import Dataset
from edgecv.core.errors import InputError
from edgecv.core.input_evidence import InputEvidence
from edgecv.core.plugins import Task
from edgecv.core.preprocessing import NAMED, OTHER_SCORES_BETTER, Preprocessing, fitting
from edgecv.core.sample import sample_rows
from edgecv.core.text import counted
from edgecv.pipeline.preprocessing.model_reader import ModelReader
from edgecv.pipeline.preprocessing.trial import DEFAULT, Trial, choices_with, run_trial

IMAGES_FOR_STATISTICS = 64
NEAR = 0.5
"""Largest divergence of a batch normalization's input for the right pixels."""
CLEARLY_FARTHER = 5.0
"""Ratio from which the divergence of the second choice makes the first one certain."""
NEAR_CHANCE = 0.05
"""A model this close to guessing was not shown to work with any of the pixels."""


@dataclass(frozen=True)
class Choice:
    """The preprocessing of a model: one that was found; None to read it as before."""

    preprocess: str | Preprocessing | None = None
    notes: tuple[str, ...] = ()


def choose_preprocessing(
    model: ModelReader,
    data: Dataset,
    task: Task,
    asked: Preprocessing | None,
    task_notes: Sequence[str] = (),
) -> Choice:
    """Return the preprocessing of a model, with notes for the report.

    ``task_notes``: how its task was found, where it was not named.

    What the user asked for is kept. A graph that rescales pixels takes them as they are. Otherwise
    every choice is tried on labelled images; without labels, the model's first batch normalization
    shows it. Raises InputError where another choice is clearly better, or where none can be known.
    """
    if data.meaning is not None:
        if asked not in (None, data.meaning):
            raise InputError(
                "--preprocess",
                f"is for pixels, and {data.name} holds the numbers that the model takes",
                remedy="leave it out",
            )
        return _of_numbers(model, data, task, data.meaning)
    if asked not in (None, Preprocessing()):
        return Choice(None, _doubts_on(asked, model, data, task))
    images = data.test.images[sample_rows(len(data.test), IMAGES_FOR_STATISTICS)]
    evidence = model.evidence(images)
    if evidence.rescaling:
        return Choice()
    if asked is not None:
        return Choice(None, _doubts_on(asked, model, data, task))
    if data.has_labels:
        return _by_labels(model, data, task, evidence)
    labels = "labels for its outputs" if task.compares_numbers else "labels"
    because = "; ".join((*task_notes, f"without {labels} nothing else shows its preprocessing"))
    return _by_statistics(model.where, evidence, data.image_shape[2], because)


def check_range(model: ModelReader, data: Dataset, task: Task, name: str) -> None:
    """Raise InputError where a file of integers is clearly better on other pixels than it declares.

    ``name``: the preprocessing that the range of its input shows. A converter takes that range from
    its calibration images, which may have been prepared in another way than those of the training.
    """
    if not data.has_labels or data.meaning is not None:
        return
    choices, current = choices_with(NAMED[name], data.image_shape[2])
    trial = run_trial(model, choices, current, data, task)
    if better := trial.clearly_better(current):
        raise InputError(
            model.where,
            f"has an input for pixels as {name}, and scores better on others:"
            f" {_scores_text(trial, task)}; was it calibrated with other pixels than it was"
            " trained with?",
            remedy=f"{_remedy(_likely(trial, better, ()))}, or convert it again",
        )


def _of_numbers(model: ModelReader, data: Dataset, task: Task, meaning: Preprocessing) -> Choice:
    """Return the numbers of the data, or bytes for a file whose graph makes numbers of them."""
    if not data.has_labels:
        return Choice(meaning)
    choices = {"numbers": meaning, "bytes": Preprocessing()}
    if "bytes" in run_trial(model, choices, "numbers", data, task).clearly_better("numbers"):
        return Choice(Preprocessing(), ("its graph makes the numbers of the data of bytes",))
    return Choice(meaning)


def _doubts_on(
    asked: Preprocessing, model: ModelReader, data: Dataset, task: Task
) -> tuple[str, ...]:
    """Return a warning if another preprocessing is clearly better than the one asked for."""
    if not data.has_labels:
        return ()
    choices, current = choices_with(asked, data.image_shape[2])
    trial = run_trial(model, choices, current, data, task)
    better = trial.clearly_better(current)
    if not better:
        return ()
    return (
        f"--preprocess {current} was asked for, and {better[0]} {OTHER_SCORES_BETTER}:"
        f" {_scores_text(trial, task)}",
    )


def _by_labels(model: ModelReader, data: Dataset, task: Task, evidence: InputEvidence) -> Choice:
    choices, current = choices_with(None, data.image_shape[2])
    trial = run_trial(model, choices, current, data, task)
    figures = _scores_text(trial, task)
    fits = _near(evidence.divergences)
    better = trial.clearly_better(current)
    if better:
        raise InputError(
            model.where,
            f"scores better on other pixels than 0..255: {figures}",
            remedy=_remedy(_likely(trial, better, fits)),
        )
    certain = [name for name in fits if len(fits) == 1 and name in trial.scores]
    if certain and certain != [DEFAULT] and not trial.is_better(DEFAULT, certain[0]):
        found = f"{_divergences_text(evidence)}; {figures}"
        raise InputError(model.where, found, remedy=_remedy(certain))
    guessing = task.guessing(data)
    if guessing is None or trial.mean(trial.best) > guessing + NEAR_CHANCE:
        if trial.is_open(current):
            text = f"{trial.best} may be the right --preprocess: {figures}, which proves neither"
            return Choice(None, (text,))
        kept = f"no other --preprocess than {DEFAULT} is clearly better: {figures}"
        return Choice(None, (kept,) if trial.is_cut else ())
    if fits and DEFAULT not in fits:
        raise InputError(
            model.where, f"{_divergences_text(evidence)}; {figures}", remedy=_remedy(fits)
        )
    return Choice(None, (f"with no --preprocess is the model better than guessing: {figures}",))


def _likely(trial: Trial, better: Sequence[str], fits: Sequence[str]) -> list[str]:
    """Return the choices that may be right, of those that are better than the default.

    Those that are far worse than the best are not, nor those that batch normalization excludes.
    """
    far = [name for name in better if trial.is_far_worse(name, better[0])]
    near = [name for name in better if name not in far]
    alone = [name for name in fits if len(fits) == 1 and name in better]
    return alone or [name for name in near if name in fits] or near


def _by_statistics(where: str, evidence: InputEvidence, channels: int, because: str) -> Choice:
    fits = _near(evidence.divergences)
    if fits == [DEFAULT]:
        return Choice()
    if len(fits) == 1:
        text = f"{_divergences_text(evidence)}; {fits[0]} was taken, as none was given"
        return Choice(fits[0], (text,))
    if fits:
        found = f"does not show which of its pixels are right: {_divergences_text(evidence)}"
        raise InputError(where, found, remedy=_remedy(fits))
    found = "has no batch normalization that shows its pixels"
    if evidence.divergences:
        found = f"was trained on none of them: {_divergences_text(evidence)}"
    raise InputError(
        where,
        f"rescales no pixels, and {found}; {because}",
        accepted=", ".join(fitting(channels)),
        remedy="give the one that it was trained with by --preprocess",
    )


def _near(divergences: tuple[tuple[str, float], ...]) -> list[str]:
    """Return the choices that a batch normalization allows, the nearest first."""
    ordered = sorted(divergences, key=lambda each: each[1])
    if not ordered or ordered[0][1] > NEAR:
        return []
    return [name for name, far in ordered if far < CLEARLY_FARTHER * max(ordered[0][1], 1e-9)]


def _remedy(names: Sequence[str]) -> str:
    flags = [f"--preprocess {name}" for name in names]
    if len(flags) == 1:
        return f"give {flags[0]}"
    several = f"{', '.join(flags[:-1])} or {flags[-1]}"
    return f"give {several}: the one that it was trained with"


def _scores_text(trial: Trial, task: Task) -> str:
    figures = ", ".join(f"{task.score_text(trial.mean(name))} as {name}" for name in trial.scores)
    cut = ", as many as a minute allows," if trial.is_cut else ""
    return f"its score on {counted(trial.images, 'image')}{cut} is {figures}"


def _divergences_text(evidence: InputEvidence) -> str:
    figures: Mapping[str, float] = dict(evidence.divergences)
    shown = ", ".join(f"{name} {far:.2g}" for name, far in figures.items())
    return (
        "divergence of what its first batch normalization sees from what it saw in training:"
        f" {shown}"
    )
