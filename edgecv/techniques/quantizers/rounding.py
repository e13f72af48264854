"""Rounding of a model's kernels, layer by layer, with what it does to the outputs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import Exporter, ModelProperty, Technique, TechniqueContext
from edgecv.core.plugins.exporter import WITH_INTEGER_KERNELS
from edgecv.core.text import counted
from edgecv.models.float_batches import float_batches
from edgecv.models.tf import keras, tensorflow
from edgecv.techniques.layer_selection import clone, target_of
from edgecv.techniques.quantizers.linear_layers import (
    LinearLayer,
    largest_code,
    largest_weight,
    linear_layers,
)
from edgecv.techniques.rewrites.fold_batch_norm import folded_note
from edgecv.techniques.rewrites.plain_network import plain

Array = NDArray[Any]
USUAL_BITS = 8
SHARES = np.linspace(1.0, 0.4, 25)
"""Steps that are tried, as shares of the one that clips no weight."""


@dataclass(frozen=True)
class RoundedLayer:
    """One layer of a network whose earlier layers are rounded already."""

    layer: LinearLayer
    """It is in the rounded network: its kernel and bias may be set."""
    kernel: Array
    """Its weights before they are rounded: (G, K, O)."""
    step: Array
    """The step of its integers: divides the kernel."""
    largest_code: int
    rows: Array
    """A sample of what enters it behind rounded layers: float32 (S, G, K)."""
    wanted: Array
    """Its outputs for these in the float network, without the bias: (S, G, O)."""

    @property
    def codes(self) -> Array:
        """The kernel in steps, before it is rounded, within the integers."""
        return np.clip(self.kernel / self.step, -self.largest_code, self.largest_code)

    @property
    def nearest(self) -> Array:
        """The kernel with each weight rounded to the nearest integer of steps."""
        rounded: Array = np.round(self.codes) * self.step
        return rounded

    def error(self, kernel: Array, places: Array) -> float:
        """Return the mean square of the difference at some samples, behind a relu if it has one."""
        exact, rounded = self.wanted[places], _outputs(self.rows[places], kernel)
        if self.is_rectified:
            exact, rounded = (np.maximum(each + self.bias, 0) for each in (exact, rounded))
        return float(np.mean((exact - rounded) ** 2))

    @property
    def is_rectified(self) -> bool:
        """True if the layer ends in a relu."""
        return self.layer.layer.activation is keras.activations.relu

    @property
    def bias(self) -> Array:
        """The bias of each output: (G, O)."""
        bias: Array = self.layer.layer.bias.numpy().reshape(self.wanted.shape[1:])
        return bias

    def set(self, kernel: Array, *, corrected: bool) -> None:
        """Give the layer a rounded kernel; ``corrected``: and a bias that makes up for it."""
        if corrected:
            shift = (self.wanted - _outputs(self.rows, kernel)).mean(axis=0)
            self.layer.layer.bias.assign_add(shift.ravel())
        self.layer.kernel.assign(self.layer.in_order(kernel).astype(np.float32))


class RoundedNetwork:
    """A copy of a model in plain layers, whose kernels are rounded one after the other."""

    def __init__(self, model: KerasModel, context: TechniqueContext, images: int) -> None:
        self.exact, folded = plain(model)
        if folded:
            context.note(folded_note(folded))
        self.rounded = clone(self.exact)
        self.images = context.calibration_images(images)
        self._context = context

    def layers(self, activity: str) -> Iterator[RoundedLayer]:
        """Yield each layer; what is then set in it is what later layers get."""
        exact = {each.layer.name: each for each in linear_layers(self.exact)}
        found = list(linear_layers(self.rounded))
        for number, each in enumerate(found):
            self._context.progress(activity, number, len(found))
            kernel, seed = each.matrices(each.kernel.numpy()), self._context.seed + number
            rows = each.rows(self.rounded, self.images, seed)
            own = exact[each.layer.name].rows(self.exact, self.images, seed)
            bits, one_scale = self._asked(each)
            weight = np.square(rows).mean(axis=0)[:, :, np.newaxis]
            step = best_step(kernel, weight, largest_code(bits), one_scale=one_scale)
            wanted = _outputs(own, kernel)
            yield RoundedLayer(each, kernel, step, largest_code(bits), rows, wanted)

    def _asked(self, each: LinearLayer) -> tuple[int, bool]:
        """Return the bits of a kernel, and whether it has one scale."""
        bits = target_of(each.layer.name, self._context.bits, USUAL_BITS)
        return bits, each.layer.name in self._context.shared_kernels

    def noise(self, model: KerasModel) -> float:
        """Return the root mean square of a model's differences from the exact outputs."""
        differences = []
        for batch in float_batches(self.images):
            answers, exact = (
                tensorflow.nest.flatten(each(batch, training=False)) for each in (model, self.exact)
            )
            pairs = zip(answers, exact, strict=True)
            differences += [np.ravel(one.numpy() - other.numpy()) for one, other in pairs]
        return float(np.sqrt(np.mean(np.concatenate(differences) ** 2)))

    def to_nearest(self) -> KerasModel:
        """Return the exact network with each kernel rounded to the nearest steps."""
        nearest = clone(self.exact)
        for each in linear_layers(nearest):
            kernel = each.matrices(each.kernel.numpy())
            bits, one_scale = self._asked(each)
            step = largest_weight(kernel, one_scale=one_scale) / largest_code(bits)
            each.kernel.assign(each.in_order(np.round(kernel / step) * step))
        return nearest

    def note_noise(self, now: str) -> None:
        """Note what the rounding does to the outputs, to nearest and as it is ``now``."""
        before, after = self.noise(self.to_nearest()), self.noise(self.rounded)
        self._context.note(
            "the rounding of weights moves the outputs by"
            f" {before:.2g} to nearest and {after:.2g} {now}"
            f" (root mean square, {counted(len(self.images), 'calibration image')})"
        )


def best_step(kernel: Array, weight: Array, most: int, *, one_scale: bool) -> Array:
    """Return the step of each output whose rounding to nearest changes the outputs least.

    A smaller step than the largest weight asks for clips that weight: what it then is, is what
    converters find the step from. ``weight``: mean squares of what each weight (G, K, O) is
    multiplied with. ``most``: the largest integer.
    """
    largest = largest_weight(kernel, one_scale=one_scale) / most
    axes = None if one_scale else 1
    best, least = largest, np.full(largest.shape, np.inf)
    for share in SHARES:
        step = largest * share
        rounded = np.clip(np.round(kernel / step), -most, most) * step
        error = ((kernel - rounded) ** 2 * weight).sum(axis=axes, keepdims=True)
        best, least = np.where(error < least, step, best), np.minimum(error, least)
    return best


def _outputs(rows: Array, kernel: Array) -> Array:
    """Return sums of products: rows (S, G, K) by a kernel (G, K, O) are (S, G, O)."""
    product: Array = np.einsum("sgk,gko->sgo", rows, kernel.astype(np.float32), optimize=True)
    return product


class RoundingTechnique(Technique):
    """The base of techniques that round the weights as files with integers do."""

    makes: ClassVar[frozenset[str]] = frozenset({ModelProperty.ROUNDING})

    def check_model(self, model: KerasModel) -> None:
        """Raise InputError if the model has no layer whose rounding can be measured."""
        if not any(True for _ in linear_layers(plain(model)[0])):
            raise InputError(
                self.name, "the model has no convolution or dense layer that is used once"
            )

    def check_exports(self, exports: Sequence[Exporter], where: str) -> None:
        """Raise InputError if no file of a recipe has integer weights."""
        if not any(each.precision in WITH_INTEGER_KERNELS for each in exports):
            raise InputError(
                where,
                "rounds weights as integers, and no file has any",
                accepted=f"a precision of {', '.join(WITH_INTEGER_KERNELS)}",
            )
