"""What other pixels would give, where a file of another maker is hardly better than guessing."""

from collections.abc import Callable

from edgecv.adopting import IMAGES_FOR_A_HINT, NEAR_CHANCE
from edgecv.contracts import Task
from edgecv.preprocessing import Preprocessing, fitting
from edgecv.records import Dataset, Images, Predictions

Predict = Callable[[Images, Preprocessing], Predictions]


def is_near_chance(value: float, data: Dataset) -> bool:
    """Tell whether a metric is hardly better than guessing one of the classes."""
    return value <= 1 / len(data.class_names) + NEAR_CHANCE


def with_each_choice(predict: Predict, data: Dataset, task: Task) -> dict[str, float]:
    """Return what each named preprocessing gives on up to 200 test images."""
    images = data.test.images[:IMAGES_FOR_A_HINT]
    labels = data.test.labels[:IMAGES_FOR_A_HINT]
    return {
        name: task.metric(predict(images, choice), labels)
        for name, choice in fitting(data.image_shape[2]).items()
    }


def words_of(found: dict[str, float], data: Dataset) -> str:
    """Say what each choice gives."""
    choices = ", ".join(f"{name} {each:.1%}" for name, each in found.items())
    images = min(IMAGES_FOR_A_HINT, len(data.test))
    return f"on {images} images --preprocess would give: {choices}"
