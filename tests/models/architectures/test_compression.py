"""Every technique on every architecture: what it promises is in the files of both formats."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from heads import head_for
from tuning import tuning_on

from edgecv.core.artifact import Artifact
from edgecv.core.data import SPLITS, Dataset, Split
from edgecv.core.plugins import Architecture, Technique, TechniqueContext
from edgecv.core.registry import ARCHITECTURES, EXPORTERS
from edgecv.evaluation.scale_parity import check_same_scales
from edgecv.evaluation.tasks.segmentation import Segmentation
from edgecv.models.architectures.ds_cnn import DsCnn
from edgecv.models.channels.costs import cost_of_model
from edgecv.models.kernels import kernels_of
from edgecv.models.tf import set_seed
from edgecv.models.training.schedule import Schedule
from edgecv.techniques.cluster import Cluster
from edgecv.techniques.distil import Distil
from edgecv.techniques.prune import Prune
from edgecv.techniques.qat import Qat
from edgecv.techniques.shrink import Shrink

QUICK = Schedule(epochs=2, minimum_steps=0, batch=16, learning_rate=0.003, shift=0, mirror=False)
SIDE = 32
KEPT = 0.6


def split(images: int, seed: int) -> Split:
    """Make images whose class is where they are bright: top or bottom."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, images)
    pixels = random.integers(0, 130, (images, SIDE, SIDE, 3)).astype(np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        image[SIDE // 2 * label : SIDE // 2 * (label + 1)] += random.integers(
            5, 100, dtype=np.uint8
        )
    return Split(pixels, labels, str(seed))


DATA = Dataset("bars", ("top", "bottom"), split(96, 1), split(24, 2), split(32, 3), split(200, 4))


def masked(split: Split) -> Split:
    """Return the same images with masks: 1 where they are bright."""
    is_below = np.arange(SIDE) // (SIDE // 2)
    rows = (is_below == split.labels[:, np.newaxis]).astype(np.uint8)
    return replace(split, labels=rows[:, :, np.newaxis].repeat(SIDE, axis=2))


MASKED = replace(DATA, **{name: masked(DATA.split(name)) for name in SPLITS})


def tuning_of(name: str, folder: Path, **options: Any) -> TechniqueContext:
    """Return the context for a network: a class an image, or a class a pixel."""
    if NETWORKS[name].features == "map":
        return tuning_on(MASKED, folder / "epoch.npz", task=Segmentation(), **options)
    return tuning_on(DATA, folder / "epoch.npz", **options)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return what gives the trained network of an architecture, trained once."""

    @cache
    def make(name: str) -> Any:
        set_seed(0)
        model = NETWORKS[name].build((SIDE, SIDE, 3), head_for(NETWORKS[name], 2))
        tuning_of(name, tmp_path_factory.mktemp(name)).fit(model, QUICK)
        average_at_once(model)
        return model

    return make


def average_at_once(model: Any) -> None:
    """Give batch normalization what it averages: in a dozen steps it would not get there."""
    usual = {layer: layer.momentum for layer in model.layers if hasattr(layer, "momentum")}
    for layer in usual:
        layer.momentum = 0.0
    model(DATA.train.images.astype(np.float32), training=True)
    for layer, momentum in usual.items():
        layer.momentum = momentum


CHAINS: dict[str, list[Technique]] = {
    "prune": [Prune(sparsity=0.5, training=QUICK)],
    "prune-2:4": [Prune(pattern="2:4", training=QUICK)],
    "cluster": [Cluster(clusters=16, training=QUICK)],
    "qat": [Qat(training=QUICK)],
    "shrink": [Shrink(keep=KEPT, multiple=4, training=QUICK)],
    "distil": [Distil(training=QUICK)],
    "pcqat": [
        Prune(sparsity=0.5, training=QUICK),
        Cluster(clusters=16, training=QUICK),
        Qat(training=QUICK, distil={}),
    ],
}
SHORT = "ds_cnn of two blocks"
NETWORKS: dict[str, Architecture] = {
    **{name: cls() for name, cls in ARCHITECTURES.classes.items()},
    SHORT: DsCnn(filters=16, blocks=2),
}
QUICK_CHAINS = {
    "resnet8": ("shrink",),
    "unet_small": ("qat",),
    SHORT: ("pcqat",),
}
"""What is run by default: residual blocks, concatenations and depthwise ones, and each technique
that looks at how layers hang together; the others are told by kernels alone."""


def cases() -> list[Any]:
    return [
        pytest.param(
            name,
            chain,
            id=f"{name}-{chain}",
            marks=() if chain in QUICK_CHAINS.get(name, ()) else pytest.mark.slow,
        )
        for name in NETWORKS
        for chain in CHAINS
        if name != SHORT or chain in QUICK_CHAINS[SHORT]
    ]


def exported(model: Any, folder: Path, shared: frozenset[str]) -> list[Artifact]:
    """Export to int8 in every format, and check that each kernel is found under its name."""
    artifacts = []
    for file_format, cls in EXPORTERS.classes.items():
        path = folder / f"a.{file_format}"
        exporter = cls(precision="int8").with_one_scale(shared)
        artifact = exporter.export(model, DATA.calibration.images, path)
        assert {layer.name for layer in artifact.layers} == set(kernels_of(model, depthwise=True))
        artifacts.append(artifact)
    return artifacts


@pytest.mark.parametrize(("name", "chain"), cases())
def test_promises_are_kept_in_both_formats(
    name: str, chain: str, trained: Any, tmp_path: Path
) -> None:
    baseline, notes = trained(name), list[str]()
    result, shared = baseline, frozenset[str]()
    for technique in CHAINS[chain]:
        technique.check_model(result)
        context = replace(
            tuning_of(name, tmp_path, baseline=baseline, note=notes.append),
            shared_kernels=shared,
        )
        result = technique.apply(result, context)
        shared |= technique.shared_kernels(result)
    artifacts = exported(result, tmp_path, shared)
    for technique in CHAINS[chain]:
        for artifact in artifacts:
            technique.check(artifact.layers, artifact.path)
    if chain == "shrink":
        assert cost_of_model(result).macs <= KEPT * cost_of_model(baseline).macs
    normalizations = [each.name for each in baseline.layers if each.name.endswith("_norm")]
    if normalizations and ("cluster" in chain or "qat" in chain):
        (note,) = (each for each in notes if each.startswith("folded"))
        assert note.endswith(": " + ", ".join(normalizations))
    if "qat" in chain:
        (note,) = check_same_scales(artifacts)
        assert all(kernel in note for kernel in kernels_of(result, depthwise=True))
        check_agreement(result, tmp_path)


def check_agreement(model: Any, folder: Path) -> None:
    """The files of both formats and the model that they are of say the same."""
    from edgecv.system.isolation import ModelClient

    images = DATA.test.images
    answers = [model(images.astype(np.float32), training=False).numpy()]
    assert 0.2 < answers[0].argmax(axis=-1).mean() < 0.8, "all images of one class show nothing"
    for file_format, runtime in (("tflite", "litert"), ("onnx", "onnxruntime")):
        with ModelClient(runtime, 1) as worker:
            answers.append(worker.predict(folder / f"a.{file_format}", images).only)
    keras, tflite, onnx = (each.argmax(axis=-1) for each in answers)
    assert np.mean(tflite == onnx) >= 0.99
    # After a dozen steps MobileNet answers 8% of the images otherwise when one pixel value in a
    # hundred is one higher: another order of rounding does as much.
    assert np.mean(tflite == keras) >= 0.8
