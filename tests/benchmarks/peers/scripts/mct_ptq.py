"""Sony's Model Compression Toolkit, as in its tutorial for Keras, exported for TFLite:
for its default target, which is Sony's sensor, and for LiteRT."""

import zipfile
from pathlib import Path

import model_compression_toolkit as mct
import tensorflow as tf
from contract import Made, calibration, keep_files

GUIDE = "https://sonysemiconductorsolutions.github.io/mct-model-optimization/api/api_docs/methods/keras_post_training_quantization.html"


def quantize(inputs: Path, output: Path) -> Made:
    path = output / "model.keras"
    with zipfile.ZipFile(inputs / "model.keras") as newer, zipfile.ZipFile(path, "w") as older:
        for name in newer.namelist():
            # A key of newer releases of Keras 2, which the supported one does not know.
            older.writestr(name, newer.read(name).replace(b', "optional": false', b""))
    model = tf.keras.models.load_model(path, compile=False)
    for target in ("imx500", "tflite"):
        quantized, _ = mct.ptq.keras_post_training_quantization(
            model,
            lambda: ([image] for image in calibration(inputs)),
            target_platform_capabilities=mct.get_target_platform_capabilities(device_type=target),
        )
        path = output / f"{target}.tflite"
        mct.exporter.keras_export_model(
            quantized,
            str(path),
            serialization_format=mct.exporter.KerasExportSerializationFormat.TFLITE,
            quantization_format=mct.exporter.QuantizationFormat.INT8,
        )
        yield path, f"capabilities of {target}, exported as INT8"


keep_files(quantize, GUIDE, ("model-compression-toolkit", "tensorflow"))
