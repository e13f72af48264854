"""Quantization-aware training of networks of other people: the files hold what was trained."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bars import bars
from known_networks import CLASSES, NETWORKS, SIDE, network
from tuning import tuning_on

from edgecv.core.artifact import Artifact
from edgecv.core.data import Dataset
from edgecv.core.errors import InputError, StepError
from edgecv.evaluation.scale_parity import check_same_scales
from edgecv.formats.onnx.conversions import quantization_of
from edgecv.formats.onnx.exporter import Onnx
from edgecv.formats.onnx.graph import read_model
from edgecv.formats.tflite.exporter import TFLite
from edgecv.formats.tflite.tables import TFLiteTables
from edgecv.formats.trained_scales import prove_trained_scales
from edgecv.models.quantizers import range_of, weight_ranges, wrappers_of
from edgecv.models.tf import load_tensorflow
from edgecv.models.training.schedule import Schedule
from edgecv.system.isolation import ModelClient
from edgecv.techniques.qat import Qat, plain
from edgecv.techniques.quantizers.placement import quantize
from edgecv.techniques.quantizers.ranges import PIXELS, plan_ranges, set_ranges

QUICK = Schedule(epochs=1, minimum_steps=0, batch=16, learning_rate=0.003, shift=0, mirror=False)
SPLITS = [bars(count, seed, (SIDE, SIDE, 3)) for seed, count in enumerate((96, 32, 32, 40))]
DATA = Dataset("bars", tuple("abcd"[:CLASSES]), *SPLITS)
BY_DEFAULT = ("inception", "mobilenet_v3", "unet")
"""One that concatenates, one with gates and operators of Python, one that goes up again."""


def trained(model: Any, folder: Path) -> Any:
    """Return a model after one epoch of quantization-aware training."""
    return Qat(training=QUICK).apply(model, tuning_on(DATA, folder / "epoch.npz"))


def files(model: Any, folder: Path) -> list[Artifact]:
    """Return the int8 files of a model in both formats."""
    return [
        exporter.export(model, DATA.calibration.images, folder / f"int8.{exporter.format}")
        for exporter in (TFLite(precision="int8"), Onnx(precision="int8"))
    ]


def steps_in(path: Path) -> set[tuple[float, int]]:
    """Return scale and zero point, as of uint8, of the activations in a file."""
    found = set()
    if path.suffix == ".tflite":
        for tensor in TFLiteTables(path.read_bytes(), path.name).tensors:
            if tensor.type in ("int8", "uint8") and len(tensor.scales) == 1:
                shift = 128 if tensor.type == "int8" else 0
                found.add((rounded(tensor.scales[0]), int(tensor.zero_point or 0) + shift))
        return found
    for node in read_model(path.read_bytes()).graph:
        each = quantization_of(node) if node.op_type == "QuantizeLinear" else None
        if each is not None and each.is_one:
            shift = 128 if each.zero_points.dtype == np.int8 else 0
            found.add((rounded(each.scales.item()), int(each.zero_points.item()) + shift))
    return found


def rounded(scale: float) -> float:
    return float(f"{scale:.4g}")


def is_in(limits: Any, found: set[tuple[float, int]]) -> bool:
    low, high = (float(each.numpy()) for each in limits)
    scale = (high - low) / 255
    zero = -low / scale
    return any(abs(step / scale - 1) < 1e-3 and abs(place - zero) < 0.51 for step, place in found)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in BY_DEFAULT else pytest.mark.slow) for name in NETWORKS],
)
def test_a_network_is_trained_with_rounding_and_both_files_hold_what_was_trained(
    name: str, tmp_path: Path
) -> None:
    model = trained(network(name), tmp_path)
    artifacts = files(model, tmp_path)
    assert check_same_scales(artifacts)
    expected = model(DATA.test.images.astype(np.float32), training=False).numpy()
    ends = {wrapper.layer.name: range_of(wrapper) for wrapper in wrappers_of(model)}
    for artifact, runtime in zip(artifacts, ("litert", "onnxruntime"), strict=True):
        path, layers = tmp_path / artifact.path, {each.name: each for each in artifact.layers}
        for wrapper in wrappers_of(model):
            for _, (_, most) in weight_ranges(wrapper):
                scales = np.atleast_1d(most.numpy()) / 127
                np.testing.assert_allclose(layers[wrapper.layer.name].scales, scales, rtol=1e-4)
        missing = [
            each for each, limits in ends.items() if limits and not is_in(limits, steps_in(path))
        ]
        assert not missing
        with ModelClient(runtime, 1) as worker:
            assert np.abs(worker.predict(path, DATA.test.images).only - expected).mean() < 0.02


def test_inputs_of_a_concatenation_share_one_range_and_known_ranges_stay() -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    image = layers.Input((8, 8, 3))
    padded = layers.ZeroPadding2D()(image)
    first = layers.Conv2D(4, 3, activation="relu", name="first")(padded)
    gate = layers.Activation("sigmoid", name="gate")(layers.Conv2D(4, 1, name="logits")(first))
    pooled = layers.MaxPooling2D(3, 1, "same")(first)
    joined = layers.Concatenate(name="joined")([pooled, gate])
    larger = layers.UpSampling2D(name="larger")(layers.Dropout(0.1)(joined))
    means = layers.GlobalAveragePooling2D(name="means")(larger)
    plan = plan_ranges(keras.Model(image, layers.Dense(2, name="answer")(means)))
    groups = {frozenset(group) for group in plan.groups()}
    alone = ("input", "gate", "logits", "means", "answer")
    assert groups == {frozenset({"first", "joined", "larger"}), *map(frozenset, zip(alone))}
    assert plan.known("gate") == (0.0, 255 / 256)
    assert plan.known("input") == PIXELS
    assert plan.known("joined") is None


def test_training_keeps_shared_ranges_equal(tmp_path: Path) -> None:
    flat, _ = plain(network("squeezenet"))
    model = trained(network("squeezenet"), tmp_path)
    limits = {wrapper.layer.name: range_of(wrapper) for wrapper in wrappers_of(model)}
    for group in plan_ranges(flat).groups():
        found = [limits[name] for name in group if limits.get(name)]
        assert len({(float(low), float(high)) for low, high in found}) <= 1


def test_a_file_with_another_scale_than_trained_is_refused_with_both_values(tmp_path: Path) -> None:
    flat, _ = plain(network("resnet"))
    model, _ = quantize(flat)
    set_ranges(model, flat, DATA.calibration.images)
    (artifact, _) = files(model, tmp_path)
    changed = next(
        each for each in wrappers_of(model) if each.layer.name == artifact.layers[1].name
    )
    ((_, (least, most)),) = weight_ranges(changed)
    least.assign(least * 2)
    most.assign(most * 2)
    name = changed.layer.name
    with pytest.raises(StepError, match=rf"{name} has other scales.*of its weights.*trained"):
        prove_trained_scales(model, artifact.layers, "int8.tflite")


def test_a_layer_without_integers_is_named(tmp_path: Path) -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(4, 3),
            layers.Reshape((6, 24)),
            layers.LSTM(4, name="memory"),
            layers.Dense(2),
        ]
    )
    with pytest.raises(InputError, match="memory is a LSTM, whose integers cannot be trained"):
        Qat().check_model(model)
