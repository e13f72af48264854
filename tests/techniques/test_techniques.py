"""Techniques on a tiny model: what they promise is in the weights, and in the exported files."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bars import bars, tiny
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tuning import tuning_on
from weights import weights_sha256

from edgecv.core.artifact import Artifact, Layer
from edgecv.core.data import Dataset, Split
from edgecv.core.errors import InputError, StepError
from edgecv.core.events import Event
from edgecv.core.plugins import Technique, TechniqueContext
from edgecv.core.registry import EXPORTERS, TECHNIQUES
from edgecv.evaluation.scale_parity import check_same_scales
from edgecv.evaluation.tasks.classification import Classification
from edgecv.models.kernels import kernels_of
from edgecv.models.tf import load_tensorflow, model_bytes, set_seed
from edgecv.models.training.schedule import Schedule
from edgecv.pipeline.run_checks import check_techniques
from edgecv.techniques.cluster import Cluster, cluster
from edgecv.techniques.layer_selection import clone
from edgecv.techniques.prune import Prune, keep_largest, keep_two_of_four
from edgecv.techniques.qat import Qat
from edgecv.techniques.weight_sharing import kept

QUICK = Schedule(epochs=2, minimum_steps=0, batch=16, learning_rate=0.01, shift=0, mirror=False)
LONGER = QUICK.model_copy(update={"epochs": 4})


def split(images: int, seed: int) -> Split:
    return bars(images, seed, (12, 12, 3))


DATA = Dataset("bars", ("top", "bottom"), split(160, 1), split(30, 2), split(40, 3), split(40, 4))


@pytest.fixture
def context(tmp_path: Path) -> TechniqueContext:
    return tuning_on(DATA, tmp_path / "epoch.npz")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    set_seed(0)
    _, keras = load_tensorflow()
    layers = keras.layers
    made = keras.Sequential(
        [
            layers.InputLayer((12, 12, 3), name="image"),
            layers.Rescaling(1 / 128, offset=-1.0, name="rescale"),
            layers.Conv2D(16, 3, activation="relu", name="conv_1"),
            layers.Conv2D(24, 1, activation="relu", name="conv_one_by_one"),
            layers.MaxPooling2D(name="pool"),
            layers.Flatten(name="flatten"),
            layers.Dense(16, activation="relu", name="dense_1"),
            layers.Dense(2, name="logits"),
            layers.Softmax(name="probabilities"),
        ]
    )
    tuning_on(DATA, tmp_path_factory.mktemp("model") / "epoch.npz").fit(made, QUICK, None)
    return made


def sparsity(kernel: Any) -> float:
    return float(np.mean(kernel.numpy() == 0))


CHAINS: dict[str, list[Technique]] = {
    "prune": [Prune(sparsity=0.5, training=QUICK)],
    "prune-2:4": [Prune(pattern="2:4", training=QUICK)],
    "cluster": [Cluster(clusters=8, training=QUICK)],
    "qat": [Qat(training=QUICK)],
    "pqat": [Prune(sparsity=0.5, training=QUICK), Qat(training=QUICK)],
    "cqat": [Cluster(clusters=8, training=QUICK), Qat(training=QUICK)],
    "pcqat": [
        Prune(sparsity=0.6, training=QUICK),
        Cluster(clusters=8, training=QUICK),
        Qat(training=QUICK),
    ],
}


QUICK_CHAINS = ("prune-2:4", "cluster", "pcqat")
"""What is run by default: every technique stands in one, and rounding alone in a test below."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK_CHAINS else pytest.mark.slow) for name in CHAINS],
)
def test_every_combination_keeps_its_promises_in_the_exported_files(
    name: str, model: Any, context: TechniqueContext, tmp_path: Path
) -> None:
    before = weights_sha256(model)
    result, shared = model, frozenset[str]()
    for technique in CHAINS[name]:
        result = technique.apply(result, replace(context, shared_kernels=shared))
        shared |= technique.shared_kernels(result)
    assert weights_sha256(model) == before, "the caller's model was changed"
    artifacts = []
    for file_format, cls in EXPORTERS.classes.items():
        path = tmp_path / f"a.{file_format}"
        exporter = cls(precision="int8").with_one_scale(shared)
        artifact = exporter.export(result, DATA.calibration.images, path)
        names = [layer.name for layer in artifact.layers]
        assert names == ["conv_1", "conv_one_by_one", "dense_1", "logits"]
        for technique in CHAINS[name]:
            technique.check(artifact.layers, path.name)
        artifacts.append(artifact)
    if name.endswith("qat"):
        (note,) = check_same_scales(artifacts)
        assert "conv_1, conv_one_by_one, dense_1, logits" in note


def test_other_scales_in_two_files_of_one_model_are_an_error() -> None:
    def artifact(path: str, **changes: Any) -> Artifact:
        layer = Layer("conv_1", (1, 1, 2, 2), "int8", 4, 0.0, 4, (0.1, 0.2), 0.5, 3)
        return Artifact(path, "tflite", "int8", 1, 1, "", layers=(replace(layer, **changes),))

    same = artifact("a", scales=(0.1000001, 0.2))
    assert check_same_scales([same, artifact("b")])
    for changes, shown in (
        ({"scales": (0.1, 0.21)}, "0.2 and 0.21 of its weights in output 1"),
        ({"scales": (0.1,)}, "2 and 1 of its weights"),
        ({"scales": (0.1, 0.2, 0.3)}, "2 and 3 of its weights"),
        ({"output_zero_point": 4}, "zero at 3 and 4 of its output"),
        ({"output_scale": 0.51}, "0.5 and 0.51 of its output"),
    ):
        with pytest.raises(StepError, match=f"have other scales in conv_1: {shown}"):
            check_same_scales([same, artifact("b", **changes)])


@pytest.fixture(scope="module")
def rounded(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the model, trained on with rounding: look only."""
    folder = tmp_path_factory.mktemp("rounded")
    return Qat(training=QUICK).apply(model, tuning_on(DATA, folder / "epoch.npz"))


def test_one_trained_model_is_the_same_network_in_both_formats(
    rounded: Any, tmp_path: Path
) -> None:
    from edgecv.system.isolation import ModelClient

    answers, artifacts = [], []
    for file_format, runtime in (("tflite", "litert"), ("onnx", "onnxruntime")):
        path = tmp_path / f"a.{file_format}"
        exporter = EXPORTERS.classes[file_format](precision="int8")
        artifacts.append(exporter.export(rounded, DATA.calibration.images, path))
        with ModelClient(runtime, 1) as worker:
            answers.append(worker.predict(path, DATA.test.images).only)
    assert check_same_scales(artifacts)
    keras = rounded(DATA.test.images.astype(np.float32)).numpy()
    assert np.abs(answers[0] - answers[1]).max() < 0.02
    assert np.abs(answers[0] - keras).max() < 0.05


def test_a_model_with_quantizers_reads_back(rounded: Any, tmp_path: Path) -> None:
    from edgecv.formats.keras.importer import load

    suffix, content = model_bytes(rounded)
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    assert weights_sha256(load(path)) == weights_sha256(rounded)


def test_pruning_reaches_its_target_exactly(model: Any, context: TechniqueContext) -> None:
    options = Prune(sparsity=0.75, layers={"dense_*": 0.9}, exclude=("logits",), training=QUICK)
    kernels = kernels_of(options.apply(model, context))
    for name, target in (("conv_1", 0.75), ("conv_one_by_one", 0.75), ("dense_1", 0.9)):
        assert sparsity(kernels[name]) == pytest.approx(target, abs=0.005)
    assert sparsity(kernels["logits"]) == 0


def test_few_zeros_are_kept_too(model: Any) -> None:
    """Zeros of a pruning to 5% were lost in the training behind it, which then failed."""
    pruned, notes = clone(model), list[str]()
    kernel = kernels_of(pruned)["dense_1"]
    mask = keep_largest(kernel.numpy(), 0.05)
    kernel.assign(kernel * mask)
    constraint = kept(pruned, (), notes.append)
    assert constraint is not None
    assert notes == ["layers that kept their shared weights: 0, their zeros: 1"]
    kernel.assign(kernel + 1.0)
    constraint.project()
    assert sparsity(kernel) == pytest.approx(0.05, abs=0.005)


def test_weights_that_no_one_made_equal_are_held_to_no_rule(model: Any) -> None:
    """A kernel that an export gives one scale was called shared, and ema was refused for it."""
    fresh, notes = clone(model), list[str]()
    names = frozenset(kernels_of(fresh))
    assert kept(fresh, names, notes.append) is None
    assert not notes
    for name, clusters in (("dense_1", 16), ("logits", 31)):
        kernel = kernels_of(fresh)[name]
        kernel.assign(cluster(kernel.numpy(), clusters, "density", 0))
    assert kept(fresh, names, notes.append) is not None
    assert notes == ["layers that kept their shared weights: 2, their zeros: 0"]


@pytest.mark.parametrize("technique", [Prune(training=QUICK), Cluster(training=QUICK)])
def test_layers_that_no_technique_changes_are_named(
    technique: Technique, context: TechniqueContext
) -> None:
    """All of a network but its last layer was left whole without a word, and the run passed."""
    _, keras = load_tensorflow()
    layers = keras.layers
    made = keras.Sequential(
        [
            layers.InputLayer((12, 12, 3)),
            layers.DepthwiseConv2D(3, name="depthwise"),
            layers.SeparableConv2D(4, 3, name="both"),
            layers.BatchNormalization(),
            layers.Reshape((8, -1)),
            layers.Conv1D(4, 3, name="conv1d"),
            layers.Conv1D(4, 3, name="conv1d_1"),
            layers.LSTM(4, name="lstm"),
            layers.Dense(2, name="logits"),
        ]
    )
    notes: list[str] = []
    nothing = replace(context, fit=lambda *given: None, note=notes.append)
    technique.apply(made, nothing)
    assert notes[-1] == (
        "left whole: depthwise (DepthwiseConv2D); conv1d, conv1d_1 (Conv1D); lstm (LSTM)"
    )


def test_clusters_are_counted_layer_by_layer(model: Any, context: TechniqueContext) -> None:
    options = Cluster(clusters=16, layers={"dense_*": 5}, exclude=("logits",), training=QUICK)
    kernels = kernels_of(options.apply(model, context))
    counts = {name: len(np.unique(kernel.numpy())) for name, kernel in kernels.items()}
    assert (counts["conv_1"], counts["dense_1"]) == (16, 5)
    assert counts["logits"] == kernels["logits"].numpy().size


class Interruption(Exception):
    pass


@pytest.mark.parametrize(
    "technique",
    [
        pytest.param(Prune(sparsity=0.5, training=LONGER), id="prune", marks=pytest.mark.slow),
        pytest.param(
            Prune(pattern="2:4", decay="constant", training=LONGER),
            id="prune-2:4",
            marks=pytest.mark.slow,
        ),
        pytest.param(Cluster(clusters=8, training=LONGER), id="cluster"),
        pytest.param(Qat(training=LONGER), id="qat"),
    ],
)
def test_an_interrupted_technique_ends_with_the_same_weights(
    technique: Technique, model: Any, tmp_path: Path
) -> None:
    def stop_after(epoch: int) -> Callable[[Event], None]:
        def on_event(event: Event) -> None:
            if event.stage == "epoch" and event.step == epoch:
                raise Interruption

        return on_event

    whole = technique.apply(model, tuning_on(DATA, tmp_path / "whole.npz"))
    for epoch in (1, 3):
        with pytest.raises(Interruption):
            technique.apply(
                model, tuning_on(DATA, tmp_path / "cut.npz", on_event=stop_after(epoch))
            )
    resumed = technique.apply(model, tuning_on(DATA, tmp_path / "cut.npz"))
    assert weights_sha256(resumed) == weights_sha256(whole)


def test_early_stopping_ends_a_training_that_gets_no_better(model: Any, tmp_path: Path) -> None:
    events: list[Event] = []
    patient = QUICK.model_copy(update={"epochs": 50, "learning_rate": 1e-9, "patience": 3})
    technique = Cluster(clusters=8, training=patient)
    technique.apply(model, tuning_on(DATA, tmp_path / "epoch.npz", on_event=events.append))
    epochs = [event for event in events if event.stage == "epoch"]
    assert len(epochs) < 50
    assert any("stopped early" in event.message for event in events)


@pytest.mark.quick
@pytest.mark.parametrize("initialization", ["k-means++", "density"])
def test_clusters_keep_zeros_and_are_few(initialization: Any) -> None:
    kernel = np.random.default_rng(0).normal(size=(3, 3, 8, 16)).astype(np.float32)
    kernel[np.abs(kernel) < 0.6] = 0
    result = cluster(kernel, 8, initialization, seed=0)
    assert len(np.unique(result)) == 8
    np.testing.assert_array_equal(result == 0, kernel == 0)
    assert np.abs(result - kernel).max() < 1.5


@given(
    arrays(np.float32, (2, 2, 7, 3), elements=st.floats(-1, 1, width=32), unique=True),
    st.floats(0, 0.99),
)
def test_exactly_the_smallest_weights_go(kernel: Any, fraction: float) -> None:
    keep = keep_largest(kernel, fraction)
    assert np.count_nonzero(~keep) == round(kernel.size * fraction)
    if keep.any() and not keep.all():
        assert np.abs(kernel[keep]).min() >= np.abs(kernel[~keep]).max()


@pytest.mark.quick
@given(arrays(np.float32, (1, 2, 8, 3), elements=st.floats(-1, 1, width=32)))
def test_two_of_each_four_stay(kernel: Any) -> None:
    groups = keep_two_of_four(kernel).reshape(1, 2, 2, 4, 3)
    assert (groups.sum(axis=3) == 2).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Prune(exclude=("conv_9",)), 'prune: "conv_9" matches no layer; accepted: conv_1'),
        (Prune(layers={"dens": 0.5}), '"dens" matches no layer'),
        (Prune(exclude=("*",)), "every layer is excluded"),
        (Cluster(exclude=("nothing",)), 'cluster: "nothing" matches no layer'),
    ],
)
def test_a_pattern_that_matches_nothing_is_refused_before_training(
    options: Technique, message: str, model: Any, context: TechniqueContext
) -> None:
    for step in (options.check_model, lambda each: options.apply(each, context)):
        with pytest.raises(InputError) as caught:
            step(model)
        assert message in str(caught.value)


@pytest.mark.parametrize("name", ["prune", "cluster"])
def test_a_model_without_kernels_is_refused(name: str, context: TechniqueContext) -> None:
    _, keras = load_tensorflow()
    empty = keras.Sequential([keras.layers.InputLayer((2, 2, 1)), keras.layers.Flatten()])
    with pytest.raises(InputError, match="no layer with a kernel"):
        TECHNIQUES.classes[name]().apply(empty, context)


@pytest.mark.parametrize(
    "name", [name for name, cls in TECHNIQUES.classes.items() if "training" in cls.model_fields]
)
def test_a_recipe_that_changes_the_epochs_keeps_the_rest_of_the_schedule(name: str) -> None:
    own = TECHNIQUES.classes[name]().training  # type: ignore[attr-defined]
    changed = TECHNIQUES.parse({"technique": name, "training": {"epochs": 9}}, "test")
    assert changed.training == own.model_copy(update={"epochs": 9})
    with pytest.raises(InputError, match=r'unknown key "training\.epoch"'):
        TECHNIQUES.parse({"technique": name, "training": {"epoch": 9}}, "test")


def test_what_the_pattern_would_ignore_is_refused() -> None:
    for extra in ({"sparsity": 0.7}, {"layers": {"conv_1": 0.5}}):
        with pytest.raises(InputError, match="2:4 is a sparsity of its own"):
            TECHNIQUES.parse({"technique": "prune", "pattern": "2:4", **extra}, "test")


def test_a_broken_promise_fails_the_step() -> None:
    dense = (Layer("conv_1", (1, 1, 10, 10), "int8", 100, 0.2, 90),)
    with pytest.raises(StepError, match=r"20.0% of conv_1 is zero, 50.0% was asked for"):
        Prune(sparsity=0.5).check(dense, "int8.tflite")
    with pytest.raises(StepError, match=r"conv_1 has 90 distinct weights, 16 were asked for"):
        Cluster(clusters=16).check(dense, "int8.tflite")


def test_a_small_kernel_is_held_to_whole_weights() -> None:
    """70% of 32 weights are 22, which are 68.8%: such a layer failed the run after all training."""
    for size, sparsity in ((32, 0.7), (8, 0.8), (16, 0.9), (10, 0.25), (5, 0.9)):
        kernel = np.arange(1, size + 1, dtype=np.float32).reshape(1, 1, 1, size)
        zeros = np.count_nonzero(~keep_largest(kernel, sparsity))
        made = Layer("dense", (size, 1), "float16", size, zeros / size, size)
        Prune(sparsity=sparsity).check((made,), "float16.tflite")
        with pytest.raises(StepError, match="of dense is zero"):
            fewer = replace(made, sparsity=(zeros - 1) / size)
            Prune(sparsity=sparsity).check((fewer,), "float16.tflite")


def test_a_depthwise_kernel_is_left_whole_and_not_held_to_a_promise() -> None:
    depthwise = (Layer("depthwise", (3, 3, 8, 1), "int8", 72, 0.0, 70, is_depthwise=True),)
    Prune(sparsity=0.5).check(depthwise, "int8.tflite")
    Cluster(clusters=16).check(depthwise, "int8.tflite")


def test_weights_of_no_layer_of_the_model_are_held_to_no_promise() -> None:
    """A second use of a layer ended a run in a traceback, after all of the training."""
    second = (Layer("kernel 2", (324,), "int8", 324, 0.2, 90),)
    Prune(sparsity=0.5).check(second, "int8.tflite")
    Prune(pattern="2:4").check(second, "int8.tflite")
    Cluster(clusters=16).check(second, "int8.tflite")


def test_what_follows_a_student_is_checked_on_the_student() -> None:
    """Layers of the student were refused, and layers that it does not have were accepted."""
    student = TECHNIQUES.parse({"technique": "student"}, "test")
    data = SimpleNamespace(image_shape=(32, 32, 3), class_names=("a", "b"))
    own = tiny()

    def check(pattern: str) -> None:
        prune = TECHNIQUES.parse({"technique": "prune", "exclude": [pattern]}, "test")
        recipe = SimpleNamespace(task=Classification(), techniques=(student, prune))
        model: Any = SimpleNamespace(recipe=recipe, data=data, untrained=own)
        check_techniques(model)

    kernel = next(iter(kernels_of(own)))
    assert kernel != "conv_2"
    check("conv_2")
    with pytest.raises(InputError, match=f'"{kernel}" matches no layer'):
        check(kernel)


@pytest.mark.parametrize("folding", ["cluster", "equalize"])
def test_reestimation_behind_folded_normalizations_is_refused_before_training(folding: str) -> None:
    """The clustering was trained first, and then the run ended."""
    _, keras = load_tensorflow()
    layers = keras.layers
    steps = [layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU(), layers.Conv2D(4, 3)]
    model = keras.Sequential([layers.Input((8, 8, 1)), *steps, layers.Flatten(), layers.Dense(2)])
    data = SimpleNamespace(image_shape=(8, 8, 1), class_names=("a", "b"))

    def check(*names: str) -> None:
        techniques = tuple(TECHNIQUES.parse({"technique": name}, "test") for name in names)
        recipe = SimpleNamespace(task=Classification(), techniques=techniques)
        given: Any = SimpleNamespace(recipe=recipe, data=data, untrained=model)
        check_techniques(given)

    check("reestimate", folding)
    with pytest.raises(InputError, match="in a recipe it goes before"):
        check(folding, "reestimate")


def test_the_convolution_of_the_pixels_is_held_to_no_promise() -> None:
    """Behind --preprocess caffe a pruning to 90% failed by it, and could not exclude it."""
    pixels = (Layer("preprocess", (1, 1, 3, 3), "int8", 9, 6 / 9, 4),)
    Prune(sparsity=0.9).check(pixels, "int8.tflite")
    Cluster(clusters=2).check(pixels, "int8.tflite")
    own = (replace(pixels[0], shape=(3, 3, 3, 8)),)
    with pytest.raises(StepError, match="of preprocess is zero"):
        Prune(sparsity=0.9).check(own, "int8.tflite")
