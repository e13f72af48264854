"""Limits on the memory that a Keras file may ask for, whichever Keras loads it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.text import short_name

ALLOWANCE_BYTES = 2**20
"""The allowance for variables that no file stores: states of random layers, counters."""
LARGEST_TENSOR = 2**28
"""The most values of one image in one tensor: 1 GiB of float32."""


@contextmanager
def weights_budget(path: Path, stored_bytes: int, *, is_trusted: bool) -> Iterator[None]:
    """Raise InputError, before memory is allocated, if layers need more weights than are stored."""
    if is_trusted:
        yield
        return
    import tensorflow

    left = [stored_bytes + ALLOWANCE_BYTES]

    def create(make: Any, **options: Any) -> Any:
        shape = tensorflow.TensorShape(options.get("shape"))
        left[0] -= 4 * (shape.num_elements() or 0)
        if left[0] < 0:
            raise InputError(
                str(path),
                f"asks for weights of shape {shape} ({short_name(options.get('name'))}), more than"
                " are stored in the file",
                remedy="the file is damaged or hostile: do not open it",
            )
        return make(**options)

    with tensorflow.variable_creator_scope(create):
        yield
