"""TFMOT's example of pruning: prune_low_magnitude to 80% zeros, fit, strip, quantize."""

from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
from contract import Made, keep_files

GUIDE = "https://www.tensorflow.org/model_optimization/guide/pruning/pruning_with_keras"
BATCH, EPOCHS, VALIDATION = 128, 2, 0.1


def prune(inputs: Path, output: Path) -> Made:
    images = np.load(inputs / "train_images.npy", mmap_mode="r")
    labels = np.load(inputs / "train_labels.npy")
    model = tf.keras.models.load_model(inputs / "model.keras", compile=False)
    steps = int(np.ceil(len(images) * (1 - VALIDATION) / BATCH)) * EPOCHS
    schedule = tfmot.sparsity.keras.PolynomialDecay(
        initial_sparsity=0.50, final_sparsity=0.80, begin_step=0, end_step=steps
    )
    model = tfmot.sparsity.keras.prune_low_magnitude(model, pruning_schedule=schedule)
    model.compile(
        optimizer="adam",
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=False),
        metrics=["accuracy"],
    )
    model.fit(
        images,
        labels,
        batch_size=BATCH,
        epochs=EPOCHS,
        validation_split=VALIDATION,
        callbacks=[tfmot.sparsity.keras.UpdatePruningStep()],
    )
    model = tfmot.sparsity.keras.strip_pruning(model)
    path = output / "float32.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    yield path, "80% zeros, float"
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    path = output / "dynamic.tflite"
    path.write_bytes(converter.convert())
    yield path, "80% zeros, dynamic range"


tf.keras.utils.set_random_seed(0)
keep_files(prune, GUIDE, ("tensorflow-model-optimization", "tensorflow", "tf-keras"))
