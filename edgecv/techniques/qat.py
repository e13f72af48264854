"""Quantization-aware training: train on with the rounding of int8 in place.

Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
inference", 2018, by tensorflow-model-optimization. Zeros of a pruned model and shared weights of a
clustered one are kept by the constraints of those techniques, not by tfmot's collaborative
variants: these lose them in 1x1 convolutions.
"""

from typing import Any, ClassVar

from pydantic import Field

from edgecv.contracts import Technique, Tuning
from edgecv.kernels import is_clustered, kernels_of
from edgecv.schedule import Schedule
from edgecv.tf import load_tensorflow


class Qat(Technique):
    """Trains on with the rounding of int8 in place; zeros and shared weights are kept."""

    name: ClassVar[str] = "qat"
    may_follow: ClassVar[tuple[str, ...]] = ("prune", "cluster")
    training: Schedule = Schedule(
        epochs=4, minimum_steps=150, learning_rate=0.0003, warmup=0.1, patience=None
    )
    """The fine-tuning."""

    def apply(self, model: Any, tuning: Tuning) -> Any:
        quantized = quantize(model, tuning)
        tuning.fit(quantized, self.training, None)
        return quantized


def quantize(model: Any, tuning: Tuning) -> Any:
    _, keras = load_tensorflow()
    from tensorflow_model_optimization.quantization.keras import (
        quantize_annotate_layer,
        quantize_apply,
        quantize_scope,
    )

    def annotate(layer: Any) -> Any:
        if isinstance(layer, keras.layers.Rescaling):
            return layer
        return quantize_annotate_layer(layer)

    annotated = keras.models.clone_model(model, clone_function=annotate)
    annotated.set_weights(model.get_weights())
    with quantize_scope():
        return quantize_apply(annotated)
