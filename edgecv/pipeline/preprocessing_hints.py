"""The accuracy with each preprocessing, for a model that is hardly better than guessing."""

from collections.abc import Callable

from edgecv.core.errors import InputError
from edgecv.core.plugins import Task
from edgecv.core.preprocessing import Preprocessing, fitting
from edgecv.core.records import Dataset, Images, Outputs, Predictions
from edgecv.core.sample import sample_rows

IMAGES_FOR_A_HINT = 200
NEAR_CHANCE = 0.05
"""A model this close to guessing may get other pixels than it was trained on."""
CLEARLY_BETTER = 0.15

Predict = Callable[[Images, Preprocessing], Predictions]


def is_near_chance(value: float, data: Dataset, task: Task) -> bool:
    """Return True if the headline metric is hardly better than guessing."""
    guessing = task.guessing(data)
    return guessing is not None and value <= guessing + NEAR_CHANCE


def with_each_choice(predict: Predict, data: Dataset, task: Task) -> dict[str, float]:
    """Return the metric with each named preprocessing, on a sample of the test images."""
    rows = sample_rows(len(data.test), IMAGES_FOR_A_HINT)
    images, labels = data.test.images[rows], data.test.labels[rows]
    return {
        name: task.metric(Outputs.one(predict(images, choice)), labels)
        for name, choice in fitting(data.image_shape[2]).items()
    }


def accuracies_text(found: dict[str, float], data: Dataset) -> str:
    """Return a sentence with the metric of each preprocessing."""
    choices = ", ".join(f"{name} {each:.1%}" for name, each in found.items())
    images = min(IMAGES_FOR_A_HINT, len(data.test))
    return f"on {images} images --preprocess would give: {choices}"


def advice(found: dict[str, float], value: float, data: Dataset, where: str, seen: str) -> str:
    """Return a warning about a baseline that is hardly better than guessing.

    ``seen`` describes its metric. Raises InputError if another preprocessing is clearly right: no
    export of this model could be correct.
    """
    best = max(found, key=lambda name: found[name])
    accuracies = accuracies_text(found, data)
    if found[best] > value + CLEARLY_BETTER:
        raise InputError(where, f"{seen}; {accuracies}", remedy=f"give --preprocess {best}")
    return f"the baseline is hardly better than guessing; {accuracies}"
