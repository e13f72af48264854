"""Products and sums behind a kernel, folded into it: batch normalization in any form."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.quantization import Kernel

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class RealConstant:
    """A constant as reals: one, or one for each output of a kernel."""

    values: Reals
    steps: Reals = field(default_factory=lambda: np.zeros(1))
    """The distance to the next value that could be stored: one number, or one for each value."""

    @classmethod
    def stored(cls, reals: NDArray[Any], kind: str, step: float) -> "RealConstant":
        """Return a constant that a file stores as ``kind``; ``step``: that of integers."""
        if kind == "float16":
            steps = np.spacing(np.abs(reals).astype(np.float16)).astype(np.float64)
        else:  # One integer alone has a scale of its own, and no error.
            steps = np.array(step if np.size(reals) > 1 else 0.0)
        return cls(np.asarray(reals, np.float64), steps)

    def __neg__(self) -> "RealConstant":
        return RealConstant(-self.values, self.steps)

    def inverse(self) -> "RealConstant":
        """Return 1 over it: no value may be 0."""
        return RealConstant(1 / self.values, self.steps / self.values**2)

    def wide(self, outputs: int) -> tuple[Reals, Reals]:
        """Return a value and a step for each of some outputs."""
        values, steps = (
            np.broadcast_to(each.ravel(), (outputs,)) for each in (self.values, self.steps)
        )
        return values, steps


def product_or_sum(
    operator: str, constant: RealConstant, *, is_left: bool = True
) -> tuple[bool, RealConstant] | None:
    """Return True for a product and False for a sum, and its constant; None for neither.

    ``operator``: on reals and a constant, which is the second unless ``is_left`` is False.
    """
    match operator.upper():
        case "MUL":
            return True, constant
        case "ADD":
            return False, constant
        case "SUB" if is_left:
            return False, -constant
        case "DIV" if is_left and np.all(constant.values):
            return True, constant.inverse()
    return None


@dataclass(frozen=True)
class Affine:
    """Weights (outputs, inputs, places) and biases (outputs,) of a kernel, with their steps."""

    weights: Reals
    steps: Reals
    bias: Reals
    bias_steps: Reals

    @classmethod
    def of(cls, kernel: Kernel) -> "Affine":
        """Return the weights and biases of a kernel, in float64."""
        stored = kernel.values, kernel.steps, kernel.bias, kernel.bias_steps
        return cls(*(np.asarray(each, np.float64) for each in stored))

    def put_into(self, kernel: Kernel) -> Kernel:
        """Return a kernel with these weights and biases, in float32."""
        return replace(
            kernel,
            values=self.weights.astype(np.float32),
            steps=self.steps.astype(np.float32),
            bias=self.bias.astype(np.float32),
            bias_steps=self.bias_steps.astype(np.float32),
        )

    def times(self, factor: RealConstant) -> "Affine":
        """Return it behind a product with one number, or with one number for each output."""
        wide, error = factor.wide(len(self.bias))
        largest = np.abs(self.weights).max(axis=(1, 2), initial=0.0)
        return Affine(
            self.weights * wide[:, np.newaxis, np.newaxis],
            self.steps * np.abs(wide) + error * largest,
            self.bias * wide,
            self.bias_steps * np.abs(wide) + error * np.abs(self.bias),
        )

    def plus(self, term: RealConstant) -> "Affine":
        """Return it behind a sum with one number, or with one number for each output."""
        wide, error = term.wide(len(self.bias))
        return replace(self, bias=self.bias + wide, bias_steps=self.bias_steps + error)

    def behind(
        self, operator: str, constant: RealConstant, *, is_left: bool = True
    ) -> "Affine | None":
        """Return it behind an operator on it and a constant; None if it is no product or sum."""
        found = product_or_sum(operator, constant, is_left=is_left)
        if found is None:
            return None
        is_product, other = found
        return self.times(other) if is_product else self.plus(other)


def per_output(values: NDArray[Any], outputs: int, from_end: int) -> bool:
    """Return True if a constant is one number, or one an output: ``from_end`` is that axis.

    >>> per_output(np.ones((16, 1, 1)), 16, -3), per_output(np.ones(16), 16, -3)
    (True, False)
    """
    if values.size == 1:
        return True
    if values.size != outputs or values.ndim < -from_end:
        return False
    return bool(values.shape[from_end] == outputs)
