"""AdaRound: each weight is rounded up or down, as the outputs of its layer stay nearest.

Nagel, Amjad, van Baalen, Louizos and Blankevoort, "Up or down? Adaptive rounding for post-training
quantization", 2020, on samples of the values that enter a layer behind rounded ones.
"""

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import TechniqueContext, TechniqueFlag
from edgecv.core.plugins.technique import WIDTHS_OUTPUTS_ZEROS
from edgecv.core.text import counted
from edgecv.models.tf import compile_function, keras, tensorflow
from edgecv.techniques.quantizers.rounding import (
    Array,
    RoundedLayer,
    RoundedNetwork,
    RoundingTechnique,
)

STRETCH = 1.2
"""The sigmoid of a weight's variable reaches from -0.1 to 1.1, clipped: 0 and 1 are reached."""
WHOLE = 1e-3
"""A weight so near to a whole step stays there: zeros, and the largest of each output."""
FIRST, LAST = 20.0, 2.0
"""The exponent of the term that pushes each variable to 0 or 1: flat in the beginning."""
WARM_UP = 0.2
"""Share of the steps without this term."""
HELD_OUT = 0.2
"""Share of the samples that decide whether what was learned is better than to nearest."""
SAMPLES = 256


class AdaRound(RoundingTechnique):
    """Learns whether each weight is rounded up or down for an int8 file, without labels."""

    name: ClassVar[str] = "adaround"
    keeps: ClassVar[frozenset[str]] = WIDTHS_OUTPUTS_ZEROS
    flag: ClassVar[TechniqueFlag | None] = TechniqueFlag(
        "Learn the rounding of each weight, up or down, on calibration images.", place=48
    )
    images: int = Field(default=1000, ge=2)
    """The most calibration images that the values of a layer are sampled from."""
    steps: int = Field(default=1000, ge=10)
    """Steps of each layer."""
    learning_rate: float = Field(default=0.01, gt=0)
    """Learning rate of Adam, the optimizer."""
    weight: float = Field(default=50.0, gt=0)
    """Weight of the term that pushes each weight up or down, beside the error of the outputs."""
    bias_correction: bool = True
    """Correct the biases for what is left of the shift."""

    def apply(self, model: KerasModel, context: TechniqueContext) -> KerasModel:
        """Return a copy in plain layers whose kernels are rounded as learned."""
        network = RoundedNetwork(model, context, self.images)
        if len(network.images) == 1:
            raise InputError(
                "the data",
                "has 1 calibration image",
                accepted="two or more: some decide whether what was learned on others is better",
                remedy="add training images: some of them are taken",
            )
        moved = every = 0
        for each in network.layers("learning to round"):
            nearest = each.nearest
            kernel = self._learned(each, context.seed)
            moved += int(np.count_nonzero(np.abs(kernel - nearest) > each.step / 2))
            every += nearest.size
            each.set(kernel, corrected=self.bias_correction)
        context.note(f"{moved:,} of {counted(every, 'weight')} are not rounded to nearest")
        network.note_noise("as learned")
        return network.rounded

    def _learned(self, each: RoundedLayer, seed: int) -> Array:
        """Return the kernel, rounded so that samples which are held out have the smaller error."""
        chance = np.random.default_rng(seed)
        places = chance.permutation(len(each.rows))
        held, used = np.split(places, [max(1, int(len(places) * HELD_OUT))])
        up = self._trained(each, used, chance)
        codes = each.codes
        rounded = np.where(_is_whole(codes), np.round(codes), np.floor(codes) + (up > 0))
        return min(each.nearest, rounded * each.step, key=lambda kernel: each.error(kernel, held))

    def _trained(self, each: RoundedLayer, places: Array, chance: np.random.Generator) -> Array:
        """Return a number for each weight, positive where it is rounded up: (G, K, O)."""
        codes = each.codes
        rest = np.clip((codes - np.floor(codes) + (STRETCH - 1) / 2) / STRETCH, 0.01, 0.99)
        up = tensorflow.Variable(np.log(rest / (1 - rest)), dtype=tensorflow.float32)
        is_whole = _is_whole(codes)
        base, free, bias = (
            tensorflow.constant(array, tensorflow.float32)
            for array in (
                np.where(is_whole, np.round(codes), np.floor(codes)) * each.step,
                ~is_whole * each.step,
                each.bias,
            )
        )
        rows, wanted = (tensorflow.constant(array[places]) for array in (each.rows, each.wanted))
        usual = each.error(each.nearest, places) or 1.0
        optimizer = keras.optimizers.Adam(self.learning_rate)
        activation = tensorflow.nn.relu if each.is_rectified else tensorflow.identity

        @compile_function
        def learn(taken: Any, exponent: Any, weight: Any) -> None:
            with tensorflow.GradientTape() as tape:
                share = tensorflow.clip_by_value(
                    tensorflow.sigmoid(up) * STRETCH - (STRETCH - 1) / 2, 0.0, 1.0
                )
                given = tensorflow.gather(rows, taken)
                outputs = tensorflow.einsum("sgk,gko->sgo", given, base + free * share)
                exact = activation(tensorflow.gather(wanted, taken) + bias)
                error = tensorflow.reduce_mean((activation(outputs + bias) - exact) ** 2) / usual
                between = 1 - tensorflow.abs(2 * share - 1) ** exponent
                loss = error + weight * tensorflow.reduce_mean(between)
            optimizer.apply_gradients([(tape.gradient(loss, up), up)])

        warm = int(self.steps * WARM_UP)
        for step_number in range(self.steps):
            done = max(0.0, (step_number - warm) / (self.steps - warm))
            learn(
                tensorflow.constant(chance.integers(0, len(places), SAMPLES)),
                tensorflow.constant(FIRST + (LAST - FIRST) * done, tensorflow.float32),
                tensorflow.constant(self.weight if step_number >= warm else 0.0),
            )
        result: Array = up.numpy()
        return result


def _is_whole(codes: Array) -> Array:
    whole: Array = np.abs(codes - np.round(codes)) < WHOLE
    return whole
