"""The values that reach the first layers of a TFLite file."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.input_evidence import NormalizationInput, Values
from edgecv.formats.tflite.execution import value_of


class TFLiteProbe:
    """A TFLite file that is run up to its first operator with weights.

    ``number``: that of the tensor which the operator takes, None where no operator has weights.
    """

    def __init__(self, interpreter: Any, run: Callable[[], object], number: int | None) -> None:
        self._interpreter, self._invoke, self._number = interpreter, run, number

    def first_weights(self, values: Values) -> NDArray[np.float64] | None:
        """Return the input of the first operator with weights: (N, ...) -> (N, H, W, C)."""
        if self._number is None:
            return None
        found = value_of(self._interpreter, self._invoke, self._number, values)
        return found.astype(np.float64)

    def first_normalization(self, values: Values) -> NormalizationInput | None:
        """Return None: TFLite's converter folds batch normalization into other weights."""
        return None
