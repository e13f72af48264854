"""Models with the quantizers of TensorFlow Model Optimization, as users make them."""

from typing import Any


def with_quantizers(network: Any) -> Any:
    """Return a copy of a model in which all layers but the rescaling of pixels are quantized."""
    from tensorflow_model_optimization.quantization import keras as tfmot

    from edgecv.models.tf import load_tensorflow

    _, keras = load_tensorflow()

    def annotated(layer: Any) -> Any:
        is_rescaling = isinstance(layer, keras.layers.Rescaling)
        return layer if is_rescaling else tfmot.quantize_annotate_layer(layer)

    copy = keras.models.clone_model(network, clone_function=annotated)
    copy.set_weights(network.get_weights())
    return tfmot.quantize_apply(copy)
