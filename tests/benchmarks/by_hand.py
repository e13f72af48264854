"""What `edgecv compress --quantize int8` does, written by hand with the libraries directly.

The same conversions (TFLite float32 and int8, ONNX float32, and int8 with both activation types),
the same evaluations (every artifact and the Keras model on all test images) and the same seconds
of timing; no proof that the files are what was asked for, no isolation, no resume, no report.

    python tests/benchmarks/by_hand.py MODEL.keras IMAGES.zip OUTPUT_FOLDER
"""

import io
import os
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import onnxruntime
import tensorflow as tf
import tf2onnx
import tf_keras
from ai_edge_litert.interpreter import Interpreter
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image

CALIBRATION_IMAGES = 200
SECONDS_A_FILE = 0.5
CORES = os.cpu_count() or 1


def read(archive: zipfile.ZipFile, names: list[str]) -> np.ndarray:
    data = [archive.read(name) for name in names]

    def decode(content: bytes) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))

    with ThreadPoolExecutor(CORES) as pool:
        return np.stack(list(pool.map(decode, data)))


class Reader(CalibrationDataReader):
    def __init__(self, images: np.ndarray) -> None:
        self.batches = iter({"image": image[None].astype(np.float32)} for image in images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.batches, None)


def to_tflite(model: tf_keras.Model, images: np.ndarray | None, path: Path) -> None:
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if images is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([i[None].astype(np.float32)] for i in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.int8
    path.write_bytes(converter.convert())


def to_onnx(model: tf_keras.Model, images: np.ndarray, folder: Path) -> list[Path]:
    signature = (tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="image"),)
    path = folder / "float32.onnx"
    tf2onnx.convert.from_keras(model, signature, opset=17, output_path=str(path))
    prepared = folder / "prepared.onnx"
    quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
    paths = [path]
    for kind in (QuantType.QUInt8, QuantType.QInt8):
        paths.append(folder / f"{kind}.onnx")
        quantize_static(
            str(prepared),
            str(paths[-1]),
            Reader(images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=kind,
            weight_type=QuantType.QInt8,
        )
    return paths


def run_tflite(path: Path, images: np.ndarray) -> np.ndarray:
    def part(some: np.ndarray) -> list[np.ndarray]:
        interpreter = Interpreter(str(path), num_threads=1)
        interpreter.allocate_tensors()
        source = interpreter.get_input_details()[0]
        target = interpreter.get_output_details()[0]["index"]
        results = []
        for image in some:
            interpreter.set_tensor(source["index"], image[None].astype(source["dtype"]))
            interpreter.invoke()
            results.append(interpreter.get_tensor(target)[0])
        return results

    with ThreadPoolExecutor(CORES) as pool:
        parts = pool.map(part, np.array_split(images, CORES))
    return np.array([result for results in parts for result in results])


def time_tflite(path: Path, image: np.ndarray) -> list[int]:
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]
    interpreter.set_tensor(source["index"], image.astype(source["dtype"]))
    return timed(interpreter.invoke)


def session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options)


def run_onnx(path: Path, images: np.ndarray) -> np.ndarray:
    opened = session(path, CORES)
    batches = range(0, len(images), 128)
    return np.concatenate(
        [opened.run(None, {"image": images[i : i + 128].astype(np.float32)})[0] for i in batches]
    )


def time_onnx(path: Path, image: np.ndarray) -> list[int]:
    opened = session(path, 1)
    feed = {"image": image.astype(np.float32)}
    return timed(lambda: opened.run(None, feed))


def timed(call: object) -> list[int]:
    for _ in range(100):
        call()  # type: ignore[operator]
    results = []
    end = time.perf_counter() + SECONDS_A_FILE
    while time.perf_counter() < end:
        before = time.perf_counter_ns()
        call()  # type: ignore[operator]
        results.append(time.perf_counter_ns() - before)
    return results


def main(model_path: Path, images_path: Path, folder: Path) -> None:
    with zipfile.ZipFile(images_path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        test = [name for name in names if name.startswith("test/")]
        train = [name for name in names if name.startswith("train/")]
        images = read(archive, test)
        calibration = read(archive, train[:: len(train) // CALIBRATION_IMAGES][:CALIBRATION_IMAGES])
    classes = sorted({name.split("/")[1] for name in test})
    labels = np.array([classes.index(name.split("/")[1]) for name in test])
    model = tf_keras.models.load_model(model_path, compile=False)
    to_tflite(model, None, folder / "float32.tflite")
    to_tflite(model, calibration, folder / "int8.tflite")
    paths = to_onnx(model, calibration, folder)
    accuracies = {"keras": model.predict(images, batch_size=512, verbose=0)}
    for path in (folder / "float32.tflite", folder / "int8.tflite"):
        accuracies[path.name] = run_tflite(path, images)
        print(path.name, np.median(time_tflite(path, images[:1])) / 1000, "us")
    # Both int8 files are timed, to choose; only the chosen one is evaluated.
    times = {path: np.median(time_onnx(path, images[:1])) / 1000 for path in paths}
    for path in (paths[0], min(paths[1:], key=lambda path: times[path])):
        accuracies[path.name] = run_onnx(path, images)
        print(path.name, times[path], "us")
    for name, predictions in accuracies.items():
        print(name, float((predictions.argmax(1) == labels).mean()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
