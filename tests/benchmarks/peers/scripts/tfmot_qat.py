"""TFMOT's example of quantization-aware training: quantize_model, then fit."""

from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
from contract import Made, keep_files

GUIDE = "https://www.tensorflow.org/model_optimization/guide/quantization/training_example"
COMPREHENSIVE_GUIDE = (
    "https://www.tensorflow.org/model_optimization/guide/quantization/training_comprehensive_guide"
)
keras = tfmot.quantization.keras


class OutputConfig(keras.QuantizeConfig):
    """The rounding of a Rescaling layer's output: quantize_model refuses the layer without it."""

    def get_weights_and_quantizers(self, layer):
        return []

    def get_activations_and_quantizers(self, layer):
        return []

    def set_quantize_weights(self, layer, quantize_weights):
        pass

    def set_quantize_activations(self, layer, quantize_activations):
        pass

    def get_output_quantizers(self, layer):
        options = {"per_axis": False, "symmetric": False, "narrow_range": False}
        return [keras.quantizers.MovingAverageQuantizer(num_bits=8, **options)]

    def get_config(self):
        return {}


def annotated(layer):
    if isinstance(layer, tf.keras.layers.Rescaling):
        return keras.quantize_annotate_layer(layer, OutputConfig())
    return layer


def train(inputs: Path, output: Path) -> Made:
    images = np.load(inputs / "train_images.npy", mmap_mode="r")
    labels = np.load(inputs / "train_labels.npy")
    model = tf.keras.models.load_model(inputs / "model.keras", compile=False)
    model = tf.keras.models.clone_model(model, clone_function=annotated)
    with keras.quantize_scope({"OutputConfig": OutputConfig}):
        model = keras.quantize_apply(keras.quantize_annotate_model(model))
    model.compile(
        optimizer="adam",
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=False),
        metrics=["accuracy"],
    )
    subset = np.random.default_rng(0).permutation(len(images))[:1000]
    model.fit(images[subset], labels[subset], batch_size=500, epochs=1, validation_split=0.1)
    yield written(model, output / "subset.tflite"), "one epoch of 1,000 images, as in the example"
    model.fit(images, labels, batch_size=500, epochs=1, validation_split=0.1)
    yield written(model, output / "epoch.tflite"), "and one epoch of all training images"


def written(model, path: Path) -> Path:
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    path.write_bytes(converter.convert())
    return path


tf.keras.utils.set_random_seed(0)
keep_files(train, GUIDE, ("tensorflow-model-optimization", "tensorflow", "tf-keras"))
