"""Checks of the arrays that a device gives, which are untrusted, and their values as reals."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Outputs
from edgecv.core.errors import StepError
from edgecv.core.plugins import DeployedFile
from edgecv.formats.tensors import finite_outputs


def real_outputs(
    file: DeployedFile, stored: Mapping[str, NDArray[Any]], count: int, where: str
) -> Outputs:
    """Return what a device gave for ``count`` images as reals: (N, ...) -> float32 (N, ...).

    ``stored``: by the name of the output, in the type of the file. Raises StepError for arrays of
    another shape or type, RuntimeFailure for values that are not finite.
    """
    for tensor, shape in zip(file.facts.outputs, file.facts.answers, strict=True):
        values = stored.get(tensor.name)
        if values is None:
            raise StepError(where, f'gives no output "{tensor.name}"')
        if values.shape != (count, *shape) or values.dtype != np.dtype(tensor.type):
            raise StepError(
                where,
                f'gives "{tensor.name}" as {values.dtype} {list(values.shape)}',
                accepted=f"{tensor.type} {[count, *shape]}",
            )
    values_in_order = [stored[each.name] for each in file.facts.outputs]
    return finite_outputs(file.path, file.facts, values_in_order)
