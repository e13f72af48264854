"""Check of a recipe's task: the images must have its targets."""

import numpy as np

from edgecv.core.data import Dataset, Split
from edgecv.core.errors import InputError
from edgecv.core.plugins import DatasetSource, Task


def check_targets(source: DatasetSource, task: Task, where: str) -> None:
    """Raise InputError where images of classes alone have no targets for the task."""
    if not source.has_classes_alone:
        return
    none = Split(np.zeros((0, 1, 1, 1), np.uint8), np.zeros(0, np.int64), "")
    try:
        task.of_task(Dataset(where, (), none, none, none, none))
    except InputError as error:
        if error.where == where:  # Others are on the names of the classes, which are not known.
            raise
