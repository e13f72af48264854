"""Which output of a model stands for which class of the data."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgecv.core.errors import InputError
from edgecv.core.records import Dataset, Labels, Predictions, Split

LEAST_GAIN = 0.05
STANDARD_DEVIATIONS = 5
"""Another order that is right on so many more of the images is no accident: of all orders the best
of a model that only guesses is better by about two, with ten classes."""
CLEARLY_BETTER = 0.15
REALLY_GOOD = 0.5
"""Images, of all, that an order must be right on before a run stops for it: a model that is hardly
trained has favourites, and fits some other order by more than chance, and is no good there too."""
MOST_NAMES = 20
LARGEST_LABELS_BYTES = 1_000_000


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the names in a file, a line each. Raises InputError where it is no such file."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_LABELS_BYTES + 1)
        if len(content) > LARGEST_LABELS_BYTES:
            raise InputError("--labels", f"{path} is larger than 1 MB", accepted="a name a line")
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise InputError("--labels", f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(
            "--labels", f"{path} is not text", accepted="UTF-8, a name a line"
        ) from None
    return tuple(line.strip() for line in text.rstrip().splitlines())


def in_order_of(data: Dataset, outputs: int, labels: Sequence[str] | None) -> Dataset:
    """Return the data with one class for each output of a model, in the model's order.

    ``labels``: the name of each output, where they were given. A model may know more classes than
    the data has. Raises InputError where the names do not fit the model or the data.
    """
    if labels is not None and len(labels) != outputs:
        raise InputError(
            "--labels", f"names {len(labels)} outputs, the model has {outputs}", accepted="one each"
        )
    if not data.has_labels:
        names = labels or [str(number) for number in range(outputs)]
        return replace(data, class_names=tuple(names))
    if labels is None or tuple(labels) == data.class_names:
        return data
    places = {name: place for place, name in enumerate(labels)}
    if missing := [name for name in data.class_names if name not in places]:
        raise InputError(
            "--labels",
            f'the class "{missing[0]}" of {data.name} is not among them',
            accepted=f"names of all classes of the data: {', '.join(data.class_names[:10])}",
        )
    moved = np.array([places[name] for name in data.class_names], np.int64)
    return replace(
        data,
        class_names=tuple(labels),
        train=_moved(data.train, moved),
        calibration=_moved(data.calibration, moved),
        validation=_moved(data.validation, moved),
        test=_moved(data.test, moved),
    )


def _moved(split: Split, moved: Labels) -> Split:
    labels = moved[split.labels]
    order = hashlib.sha256(f"{split.sha256}:{moved.tolist()}".encode()).hexdigest()
    return Split(split.images, labels, order)


def better_order(
    predictions: Predictions, labels: Labels, class_names: Sequence[str]
) -> tuple[tuple[str, ...], float] | None:
    """Return the order of the outputs that fits the labels best, and the accuracy with it.

    predictions: float32 (N, K), labels: int64 (N,). None where the order that they are in is
    about as good.
    """
    from scipy.optimize import linear_sum_assignment

    classes = len(class_names)
    answers = predictions.argmax(axis=1)
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (answers, labels), 1)
    _, meant = linear_sum_assignment(counts, maximize=True)
    is_right, would_be = answers == labels, meant[answers] == labels
    wins, losses = int((would_be & ~is_right).sum()), int((is_right & ~would_be).sum())
    is_accident = wins - losses <= STANDARD_DEVIATIONS * np.sqrt(wins + losses)
    if is_accident or wins - losses <= LEAST_GAIN * len(labels):
        return None
    return tuple(class_names[each] for each in meant), float(would_be.mean())


def check_order(
    predictions: Predictions, labels: Labels, class_names: Sequence[str], where: str
) -> str | None:
    """Say where another order of the outputs would be right more often; None where none would.

    Raises InputError where it clearly would, and the model is a good one then: the classes of the
    data are not the model's outputs.
    """
    better = better_order(predictions, labels, class_names)
    if better is None:
        return None
    names, accuracy = better
    now = float(np.mean(predictions.argmax(axis=1) == labels))
    words = (
        f"is right on {now:.1%} of the images, and would be on {accuracy:.1%} if its outputs stood "
        f"for {', '.join(names[:MOST_NAMES])}{', ...' if len(names) > MOST_NAMES else ''}"
    )
    if accuracy >= REALLY_GOOD and accuracy > now + CLEARLY_BETTER:
        raise InputError(
            where, words, remedy="give --labels FILE with the name of each output, a line each"
        )
    return f"the baseline {words}: are the classes in the model's order? --labels gives it"
