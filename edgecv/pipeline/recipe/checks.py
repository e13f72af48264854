"""Checks of a recipe before anything is trained: its parts must go together."""

import re
from collections.abc import Sequence
from pathlib import Path

from edgecv.core.data import Dataset
from edgecv.core.errors import InputError
from edgecv.core.files import no_file
from edgecv.core.plugins import (
    DatasetSource,
    ExperimentLog,
    Exporter,
    ModelProperty,
    Technique,
)
from edgecv.evaluation.limits import Limits
from edgecv.formats.tflite.interpreter import USUAL_KERNELS
from edgecv.models.training.replicas import SHARED, WORKERS, is_first_worker
from edgecv.models.training.schedule import Schedule
from edgecv.pipeline.recipe.parts import BaselineOptions, TeacherNetwork
from edgecv.pipeline.recipe.run_settings import RunSettings
from edgecv.system.storage import RESERVED_NAMES

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
HELD = {ModelProperty.ZEROS, ModelProperty.SHARED_VALUES, ModelProperty.QUANTIZERS}
"""Properties that are a rule for the weights during the training."""


def distinct_logs(logs: Sequence[ExperimentLog], where: str) -> tuple[ExperimentLog, ...]:
    """Return logs that are of different kinds. Raises InputError where one stands there twice."""
    names = [log.name for log in logs]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise InputError(where, f"{name} stands there twice", remedy="keep one")
    return tuple(logs)


def check_name(name: str, where: str) -> None:
    """Raise InputError where a run cannot be called so."""
    if not NAME.fullmatch(name):
        raise InputError(
            where, f"{name!r}", accepted="letters, digits, dot, dash and underscore, up to 100"
        )
    if name in RESERVED_NAMES:
        raise InputError(where, f'"{name}" is taken by edgecv itself', remedy="use another name")


def check_trainings(techniques: Sequence[Technique], where: str) -> None:
    """Raise InputError for options of a training that a technique cannot train by."""
    made: set[str] = set()
    for number, technique in enumerate(techniques, start=1):
        made |= technique.makes & HELD
        for schedule in technique.trainings[:1]:
            place = f"{where}, technique[{number}], training"
            if schedule.minutes is not None:
                raise InputError(
                    place,
                    "minutes are for the training of a baseline: a control has the same epochs",
                    remedy="give epochs",
                )
            if schedule.device is not None:
                raise InputError(
                    place, "device is for the training of a baseline", remedy="leave it out"
                )
            if schedule.mixed_precision is not None and made:
                raise InputError(
                    place,
                    f"mixed_precision trains a copy, and {', '.join(sorted(made))} would not stay",
                    remedy="leave mixed_precision out",
                )
            if schedule.ema is not None and made:
                raise InputError(
                    place,
                    f"ema averages the weights, and {', '.join(sorted(made))} would not stay",
                    remedy="leave ema out",
                )


def check_data(
    source: DatasetSource,
    baseline: BaselineOptions,
    techniques: Sequence[Technique],
    gates: Limits,
    where: str,
    *,
    is_searched: bool = False,
) -> None:
    """Raise InputError where something is asked for that the images cannot give.

    ``is_searched``: True where a search chooses the techniques.
    """
    check_teacher(baseline, techniques, is_searched=is_searched)
    if not source.is_real:
        raise InputError(
            where,
            f"{source.name} images are random: nothing can be calibrated or judged on them",
            remedy="give images of the kind that the model will see",
        )
    if source.has_labels:
        return
    found = f"{source.name} images have no labels"
    if baseline.model is None:
        raise InputError(where, f"{found}: nothing can be trained on them", remedy="give a MODEL")
    trained = [each.name for each in techniques if "training" in type(each).model_fields]
    if trained:
        raise InputError(
            where,
            f'{found}: "{trained[0]}" cannot train on them',
            accepted="quantization after training",
            remedy="put class folders under train/ and test/, or leave it out",
        )
    check_limits(source, gates, where)


def check_teacher(
    baseline: BaselineOptions,
    techniques: Sequence[Technique],
    *,
    is_searched: bool = False,
) -> None:
    """Raise InputError for a teacher from whom nothing learns, or who is not there."""
    if baseline.teacher is None:
        return
    if not is_searched and not any(each.distillation is not None for each in techniques):
        raise InputError(
            "teacher",
            "is named, and no technique learns from one",
            accepted="distil, student, a technique with a table distil, or [search]",
            remedy="add --distil, or leave the teacher out",
        )
    if isinstance(baseline.teacher, str) and not Path(baseline.teacher).exists():
        raise no_file("teacher", Path(baseline.teacher))


def check_unlabelled(
    settings: RunSettings,
    techniques: Sequence[Technique],
    where: str,
    *,
    is_searched: bool = False,
) -> None:
    """Raise InputError for images without labels that nothing learns from."""
    if settings.unlabelled is None:
        return
    if not is_searched and not any(each.imitates for each in techniques):
        raise InputError(
            where,
            "names images without labels, and no technique learns from a teacher, who could say"
            " something of them",
            accepted="distil, student, a technique with a table distil of a mix below 1, or"
            " [search]",
            remedy="add --distil, or leave unlabelled out",
        )
    if not Path(settings.unlabelled).exists():
        raise InputError("unlabelled", f"there is no {settings.unlabelled}")


def check_kernels(exports: Sequence[Exporter], settings: RunSettings) -> None:
    """Raise InputError where kernels of LiteRT are chosen, and it runs no file."""
    if settings.kernels != USUAL_KERNELS and not any(each.format == "tflite" for each in exports):
        raise InputError(
            "--kernels", "is for .tflite files, and none is written", remedy="leave it out"
        )


def check_is_trained(baseline: BaselineOptions, name: str) -> None:
    """Raise InputError where the baseline of a recipe called ``name`` is a model."""
    if baseline.model is not None:
        raise InputError(
            f"{name}, [baseline]",
            f"names the model {baseline.model}, which is trained already",
            remedy="leave model out, or name it as a start: [baseline.backbone] model",
        )


def check_devices(baseline: BaselineOptions, schedule: Schedule, *, alone: bool) -> None:
    """Raise InputError where several devices cannot train a baseline, before anything is read.

    ``alone``: True where nothing but the baseline is trained.
    """
    teacher = baseline.teacher
    trained = [schedule] if baseline.model is None else []
    trained += [teacher.training] if isinstance(teacher, TeacherNetwork) else []
    shared = [each.device for each in trained if each.device in SHARED]
    if not shared:
        return
    if WORKERS in shared and not alone:
        raise InputError(
            "--device workers",
            "is for the training of a baseline alone: each worker would write this run",
            accepted="edgecv train, on each host",
            remedy="then give its model.keras as MODEL",
        )
    if baseline.train is not None and schedule.device in SHARED:
        raise InputError(
            f"--device {schedule.device}",
            f"is for edgecv's own training, and {baseline.train} is another",
            remedy="leave it out: your function chooses its devices",
        )
    if WORKERS in shared:
        is_first_worker()


def check_limits(source: DatasetSource | Dataset, gates: Limits, where: str) -> None:
    """Raise InputError where a limit can only be judged with labels, and there are none."""
    limits = gates.of_labels()
    if limits and not source.has_labels:
        raise InputError(
            where,
            f"{source.name} images have no labels: {limits[0]} cannot be judged",
            remedy="put class folders under test/, or leave the limit out",
        )


def check_precisions(
    techniques: Sequence[Technique], exports: Sequence[Exporter], where: str
) -> None:
    """Raise InputError where a technique's model cannot be exported as asked: before training."""
    for technique in techniques:
        possible = technique.precisions
        for exporter in exports:
            if possible is not None and exporter.precision not in possible:
                raise InputError(
                    where,
                    f'"{technique.name}" makes a model for {", ".join(possible)}, and'
                    f" {exporter.precision} is asked for",
                    remedy=f'leave "{technique.name}" out, or ask for {possible[0]}',
                )


def check_order(techniques: Sequence[Technique], where: str, *, are_flags: bool = False) -> None:
    """Raise InputError where a technique would undo the work of one before it.

    ``are_flags``: True where nobody has written the order.
    """
    for number, technique in enumerate(techniques):
        place, name = where if are_flags else f"{where}, technique[{number + 1}]", technique.name
        for earlier in techniques[:number]:
            if earlier.name == name:
                raise InputError(place, f'"{name}" stands there twice', remedy="keep one")
            if not technique.may_follow(type(earlier)):
                remedy, swapped = "leave one out", f'"{name}" before "{earlier.name}"'
                if earlier.may_follow(type(technique)):
                    recipe = f"{remedy}, or write a recipe with {swapped}"
                    remedy = recipe if are_flags else f"put {swapped}"
                found = f'"{name}" would undo "{earlier.name}" before it'
                raise InputError(place, found, remedy=remedy)
