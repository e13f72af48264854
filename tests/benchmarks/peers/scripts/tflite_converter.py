"""The converter of TensorFlow, as its guide to full integer quantization has it."""

from pathlib import Path

import tensorflow as tf
from contract import Made, calibration, keep_files

GUIDE = "https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/post_training_integer_quant"


def convert(inputs: Path, output: Path) -> Made:
    model = tf.keras.models.load_model(inputs / "model.keras", compile=False)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    path = output / "dynamic.tflite"
    path.write_bytes(converter.convert())
    yield path, "Optimize.DEFAULT alone: dynamic range"
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image] for image in calibration(inputs))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.uint8
    path = output / "int8.tflite"
    path.write_bytes(converter.convert())
    yield path, "integer only, uint8 ends"


keep_files(convert, GUIDE, ("tensorflow", "tf-keras"))
