"""The numbers that a model gives for an image, and those that the targets of the data have."""

import math

from edgecv.core.data import Dataset, Outputs
from edgecv.core.plugins import Task


def mismatch(outputs: Outputs, data: Dataset, task: Task) -> tuple[str, int] | None:
    """Return the numbers that a head gives if the data has another count of them, and that."""
    for head in task.heads():
        wanted, found = head.task.count_outputs(head.data(data)), count_numbers(head.of(outputs))
        if wanted and found not in wanted:
            name = f"its head {head.name} " if head.name else ""
            return f"{name}gives {found} {head.task.terms.outputs}", wanted[0]
    return None


def count_numbers(outputs: Outputs) -> int:
    """Return the number of output values for one image."""
    return sum(math.prod(values.shape[1:]) for values in outputs.arrays.values())
