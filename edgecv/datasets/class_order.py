"""The order of the classes of the data, made that of a model's outputs."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgecv.core.data import Dataset, Split, Targets
from edgecv.core.errors import InputError
from edgecv.core.files import read_regular
from edgecv.core.text import counted

LARGEST_LABELS_BYTES = 1_000_000
A_NAME_A_LINE = "a file of UTF-8, a name a line"


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the names in a text file, one on each line. Raises InputError."""
    try:
        content = read_regular(path, LARGEST_LABELS_BYTES, "--labels", accepted=A_NAME_A_LINE)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise InputError("--labels", f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError("--labels", f"{path} is not text", accepted=A_NAME_A_LINE) from None
    return _without_numbers([line.strip() for line in text.rstrip().splitlines()])


def _without_numbers(lines: list[str]) -> tuple[str, ...]:
    """Return names without their places, where each line begins with its own: Teachable Machine.

    >>> _without_numbers(["0 cat", "1 dog"]), _without_numbers(["1 cat", "2 dogs"])
    (('cat', 'dog'), ('1 cat', '2 dogs'))
    """
    parts = [line.partition(" ") for line in lines]
    if all(number == str(place) and name.strip() for place, (number, _, name) in enumerate(parts)):
        return tuple(name.strip() for _, _, name in parts)
    return tuple(lines)


def check_count(outputs: int, labels: Sequence[str]) -> None:
    """Raise InputError where a model has more or fewer outputs than there are names."""
    if len(labels) != outputs:
        raise InputError(
            "--labels",
            f"names {counted(len(labels), 'output')}, the model has {outputs}",
            accepted="one each",
        )


def in_order_of(data: Dataset, outputs: int, labels: Sequence[str] | None) -> Dataset:
    """Return the data with one class for each output of a model, in the model's order.

    ``labels``: the name of each output, where given. A model may have more classes than the data.
    Raises InputError where the names do not match the model or the data.
    """
    if labels is not None:
        check_count(outputs, labels)
    if not data.has_labels:
        names = labels or [str(number) for number in range(outputs)]
        return replace(data, class_names=tuple(names))
    if labels is None or tuple(labels) == data.class_names:
        return data
    if twice := [name for place, name in enumerate(labels) if name in labels[:place]]:
        raise InputError(
            "--labels",
            f'the name "{twice[0]}" stands there twice',
            accepted="another name for each output",
        )
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


def _moved(split: Split, moved: Targets) -> Split:
    if split.labels.dtype == np.uint8:  # Masks, with values that stand for no class.
        moved = np.concatenate([moved, np.arange(len(moved), 256)]).astype(np.uint8)
    return reordered(split, moved[split.labels], moved)


def reordered(split: Split, labels: Targets, order: Targets) -> Split:
    """Return a split with labels in another order of classes: another hash, for other results."""
    sha256 = hashlib.sha256(f"{split.sha256}:{order.tolist()}".encode()).hexdigest()
    return Split(split.images, labels, sha256)
