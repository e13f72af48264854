"""Handed models that ended in "other scales" after all the training: both formats are written."""

from pathlib import Path

import numpy as np
import pytest
from paths import SHARED
from tuning import tuning_on

from edgecv.core.data import Dataset, Split
from edgecv.evaluation.scale_parity import check_same_scales
from edgecv.evaluation.tasks.classification import Classification
from edgecv.formats.keras.importer import load
from edgecv.formats.onnx.exporter import Onnx
from edgecv.formats.tflite.exporter import TFLite
from edgecv.models.tf import load_tensorflow
from edgecv.models.training.schedule import Schedule
from edgecv.system.isolation import ModelClient
from edgecv.techniques.qat import Qat

CASES = SHARED / "cases"
AT_LEAST = {
    "dense_on_images_bn.h5": 0.90,
    "transpose_upsampling.keras": 0.92,
    "concat_branches.keras": 0.92,
    "conv_bn_tanh.keras": 0.92,
}
"""Accuracies after one epoch with a small learning rate: those of the models are 95% to 97%."""
BY_DEFAULT = ("dense_on_images_bn.h5", "transpose_upsampling.keras")
QUICK = Schedule(
    epochs=1, minimum_steps=0, batch=64, learning_rate=0.0002, shift=0, mirror=False, patience=None
)


def digits() -> Dataset:
    with np.load(CASES / "digits32.npz") as found:
        images, labels = found["x_train"], found["y_train"]
        test = Split(found["x_test"], found["y_test"], "test")
    places = {"train": (0, 256), "calibration": (256, 356), "validation": (356, 406)}
    splits = [Split(images[a:b], labels[a:b], name) for name, (a, b) in places.items()]
    return Dataset("digits", tuple("0123456789"), *splits, test)


@pytest.mark.skipif(not CASES.exists(), reason="the handed cases are not here")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in BY_DEFAULT else pytest.mark.slow) for name in AT_LEAST],
)
def test_quantization_aware_training_ends_in_the_files_of_both_formats(
    name: str, tmp_path: Path
) -> None:
    _, keras = load_tensorflow()
    data, model = digits(), load(CASES / name)
    if name.endswith(".h5"):  # The only one that gives logits.
        model = keras.Model(model.inputs, keras.layers.Softmax()(model.outputs[0]))
    trained = Qat(training=QUICK).apply(
        Classification().separated(model), tuning_on(data, tmp_path / "epoch.npz")
    )
    artifacts = []
    for exporter, runtime in (
        (TFLite(precision="int8"), "litert"),
        (Onnx(precision="int8"), "onnxruntime"),
    ):
        path = tmp_path / f"int8.{exporter.format}"
        artifacts.append(exporter.export(trained, data.calibration.images, path))
        with ModelClient(runtime, 1) as worker:
            answers = worker.predict(path, data.test.images).only.argmax(axis=1)
        assert (answers == data.test.labels).mean() >= AT_LEAST[name]
    assert check_same_scales(artifacts)
