"""The data in the order of a model's outputs."""

from collections.abc import Sequence
from pathlib import Path

from edgecv.core.errors import InputError
from edgecv.core.records import Dataset
from edgecv.datasets.class_order import in_order_of


def fit_data(data: Dataset, outputs: int, labels: Sequence[str] | None, path: Path) -> Dataset:
    """Return the data in the order of a model's outputs, which ``labels`` may name.

    Raises InputError unless there are as many classes as outputs.
    """
    ordered = in_order_of(data, outputs, labels)
    if len(ordered.class_names) != outputs:
        raise InputError(
            str(path),
            f"gives {outputs} numbers for an image, and {data.name} has "
            f"{len(data.class_names)} classes",
            accepted="one output a class",
            remedy="--labels FILE names each output; the data may then have fewer classes",
        )
    return ordered
