"""Constraint of a training that keeps zeros and shared weights of earlier techniques."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import Constraint
from edgecv.models.kernels import kernels_of
from edgecv.models.tf import tensorflow

MOST_VALUES = 256
"""No more distinct weights are given to a kernel by ``cluster``."""


class SharedValues(Constraint):
    """Keeps equal weights equal, and zeros zero.

    In the kernels ``only_zeros``, only the zeros are kept.
    """

    def __init__(self, kernels: list[Any], only_zeros: Sequence[Any] = ()) -> None:
        self._kernels = kernels
        self._masks = [
            (kernel, tensorflow.constant((kernel.numpy() != 0).astype(np.float32)))
            for kernel in only_zeros
        ]
        self._groups: list[tuple[Any, Any, int]] = []
        for kernel in kernels:
            values, group = np.unique(kernel.numpy(), return_inverse=True)
            self._groups.append(
                (
                    tensorflow.constant(group.ravel().astype(np.int32)),
                    tensorflow.constant((values != 0).astype(np.float32)),
                    len(values),
                )
            )

    def project(self) -> None:
        """Give the weights of a group their mean; a gradient of the group is then its members'."""
        for kernel, (group, alive, count) in zip(self._kernels, self._groups, strict=True):
            flat = tensorflow.reshape(kernel, [-1])
            means = tensorflow.math.unsorted_segment_mean(flat, group, count) * alive
            values = tensorflow.gather(means, group)
            kernel.assign(tensorflow.reshape(values, kernel.shape))
        for kernel, mask in self._masks:
            kernel.assign(kernel * mask)


def kept(
    model: KerasModel, shared_kernels: Collection[str], note: Callable[[str], None]
) -> SharedValues | None:
    """Return the constraint that keeps zeros and shared weights; None if there are none.

    ``shared_kernels``: the layers whose equal weights stay equal, if they have any. Training makes
    no zeros by chance: however few a kernel has, somebody has set them.
    """
    shared, zeros = [], []
    for name, kernel in kernels_of(model).items():
        if name in shared_kernels and _has_equal_weights(kernel.numpy()):
            shared.append(kernel)
        elif np.any(kernel.numpy() == 0):
            zeros.append(kernel)
    if not shared and not zeros:
        return None
    note(f"layers that kept their shared weights: {len(shared)}, their zeros: {len(zeros)}")
    return SharedValues(shared, zeros)


def _has_equal_weights(kernel: NDArray[np.float32]) -> bool:
    """Return True if weights beside the zeros are equal, and not by chance.

    Of a million float32 numbers some are: less than half of them.
    """
    weights = kernel[kernel != 0]
    most = min(max(MOST_VALUES, weights.size // 2), weights.size - 1)
    return bool(len(np.unique(weights)) <= most)
