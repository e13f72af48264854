"""A task of two outputs, defined here, goes through training, every technique and both formats."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from bars import bars
from numpy.typing import NDArray

from edgecv.core.data import Dataset, Outputs, Shape, Targets
from edgecv.core.errors import StepError
from edgecv.core.options import parse_options
from edgecv.core.plugins import DatasetSource, Head, Metric, Progress
from edgecv.core.registry import ARCHITECTURES, DATASETS, EXPORTERS, TASKS, TECHNIQUES
from edgecv.core.report import Report
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.probability_task import ProbabilityTask
from edgecv.models.outputs import by_name, named_outputs, output_names, with_outputs
from edgecv.models.softmax import logits_model, separate_softmax
from edgecv.models.tf import keras, tensorflow
from edgecv.models.training.schedule import Schedule
from edgecv.pipeline.recipe.parts import BaselineOptions
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.recipe.run_settings import RunSettings
from edgecv.pipeline.run import run
from edgecv.reports.json_file import read_report
from edgecv.system.storage import Store

SIDE = 16


class SideAndMiddle(ProbabilityTask):
    """The half of the image that is bright, as a class, and the middle row of it as a number."""

    name: ClassVar[str] = "side_and_middle"

    def head(self, data: Dataset) -> Head:
        return lambda **options: {
            "side": [
                keras.layers.Dense(2, name="logits", **options),
                keras.layers.Softmax(name="probabilities"),
            ],
            "middle": [keras.layers.Dense(1, name="number", **options)],
        }

    def targets(self, labels: Targets) -> Any:
        middle = (labels[:, None] / 2 + 0.25).astype(np.float32)
        return {"class": labels.astype(np.int32), "row": middle}

    def loss(self, targets: Any, raw: Any) -> Any:
        entropy = tensorflow.nn.sparse_softmax_cross_entropy_with_logits
        return entropy(targets["class"], raw["side"]) + self._far(targets["row"], raw["middle"])

    def imitation_loss(self, teacher: Any, raw: Any, temperature: float) -> Any:
        return sum(self._far(teacher[name], raw[name]) for name in ("side", "middle"))

    def _far(self, wanted: Any, given: Any) -> Any:
        return tensorflow.reduce_mean((wanted - given) ** 2, axis=1)

    def training_score(self, targets: Any, raw: Any) -> Any:
        right = tensorflow.argmax(raw["side"], 1, tensorflow.int32) == targets["class"]
        return tensorflow.cast(right, tensorflow.float32)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (Metric("score", lambda *each: float(self.score_per_image(*each).mean())),)

    def score_per_image(self, outputs: Outputs, targets: Targets) -> NDArray[np.float64]:
        right = outputs.arrays["side"].argmax(axis=1) == targets
        off = np.abs(outputs.arrays["middle"][:, 0] - targets / 2 - 0.25)
        return np.asarray(right - off, np.float64)

    def same_answer(self, outputs: Outputs, reference: Outputs) -> NDArray[np.bool_]:
        answers = (each.arrays["side"].argmax(axis=1) for each in (outputs, reference))
        return np.equal(*answers)

    def answer_bytes(self, outputs: Outputs) -> bytes:
        return outputs.arrays["side"].argmax(axis=1).tobytes()

    def captions(
        self, outputs: Outputs, baseline: Outputs, data: Dataset, place: int
    ) -> tuple[str, ...]:
        return ("",)


class Halves(DatasetSource):
    """Images that are bright at the top or at the bottom."""

    name: ClassVar[str] = "halves"

    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        sizes = {"train": 200, "calibration": 40, "validation": 40, "test": 60}
        splits = {
            name: replace(bars(count, place, shape), sha256=f"{place:064d}")
            for place, (name, count) in enumerate(sizes.items())
        }
        return Dataset("halves", ("top", "bottom"), **splits)


TUNING = {"epochs": 4, "minimum_steps": 0, "batch": 16, "shift": 0}
TECHNIQUE_TABLES: list[dict[str, Any]] = [
    {"technique": "shrink", "keep": 0.6, "multiple": 2, "ranking": "taylor", "rounds": 1,
     "training": TUNING, "distil": {}},
    {"technique": "distil", "training": TUNING},
    {"technique": "prune", "sparsity": 0.5, "training": TUNING},
    {"technique": "cluster", "clusters": 8, "training": TUNING},
    {"technique": "qat", "training": TUNING, "distil": {}},
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for registry, cls in ((TASKS, SideAndMiddle), (DATASETS, Halves)):
            known: Any = registry.classes
            patch.setitem(vars(registry), "classes", {**known, cls.name: cls})
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = Recipe(
        settings=RunSettings(name="halves", control="off"),
        data=Halves(),
        task=SideAndMiddle(),
        baseline=BaselineOptions(input_shape=(SIDE, SIDE, 1)),
        architecture=ARCHITECTURES.parse(
            {"architecture": "regressor", "width": 4, "depth": 1}, "test"
        ),
        schedule=Schedule(epochs=30, minimum_steps=0, batch=16, learning_rate=0.01, shift=0),
        techniques=tuple(TECHNIQUES.parse(each, "test") for each in TECHNIQUE_TABLES),
        exports=tuple(
            EXPORTERS.parse({"format": each, "precision": "int8"}, "test")
            for each in ("tflite", "onnx")
        ),
        gates=parse_options(Limits, {"max_drop_points": 10.0, "min_agreement": 0.8}, "test"),
    )
    store = Store(tmp_path_factory.mktemp("halves"))
    run(recipe, store)
    return store.run_folder("halves")


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    return read_report(folder)


def test_every_technique_and_both_formats_keep_the_names(report: Report) -> None:
    assert report.outcome == "passed", report.gates
    for each in report.comparisons:
        names = {output.name for output in (each.output, *each.further_outputs)}
        assert names == {"side", "middle"}, each.artifact.path


def test_both_outputs_are_learned_and_kept(report: Report) -> None:
    assert report.baseline is not None
    for each in report.comparisons:
        assert each.value is not None
        assert each.value > 0.8, "a class alone gives 1 - 0.25 at the most"
    assert report.costs is not None
    assert report.costs.compressed.macs < report.costs.baseline.macs


def two_headed(last: str = "softmax") -> Any:
    image = keras.Input((4, 4, 1))
    flat = keras.layers.Flatten()(image)
    side = keras.layers.Dense(2, activation=last, name="side")(flat)
    middle = keras.layers.Dense(1, activation="sigmoid", name="middle")(flat)
    return keras.Model(image, [side, middle])


def test_an_activation_of_each_output_becomes_a_layer_and_names_stay() -> None:
    model, pixels = two_headed(), np.random.default_rng(0).normal(size=(5, 4, 4, 1))
    separate = separate_softmax(model)
    assert list(separate.output) == ["side", "middle"]
    assert output_names(separate) == ("middle", "side")
    for given, wanted in zip(
        separate(pixels).values(), (model(pixels)[0], model(pixels)[1]), strict=True
    ):
        np.testing.assert_allclose(given, wanted, rtol=1e-6)
    raw = logits_model(separate)(pixels)
    np.testing.assert_allclose(tensorflow.nn.softmax(raw["side"]), model(pixels)[0], rtol=1e-5)
    np.testing.assert_allclose(tensorflow.sigmoid(raw["middle"]), model(pixels)[1], rtol=1e-5)


def test_an_output_that_another_layer_takes_keeps_its_activation() -> None:
    model = two_headed()
    side, middle = model.outputs
    joined = keras.layers.Dense(1, name="joined")(side)
    separate = separate_softmax(keras.Model(model.inputs, [side, middle, joined]))
    assert separate.get_layer("side").activation is keras.activations.softmax
    raw = logits_model(separate)
    assert "middle" in raw.output
    pixels = np.ones((1, 4, 4, 1))
    assert raw(pixels)["side"].numpy().sum() == pytest.approx(1)


def test_outputs_without_any_softmax_are_refused() -> None:
    model = two_headed("linear")
    only = by_name(with_outputs(model, [model.outputs[0], model.outputs[0]], ("a", "b")))
    with pytest.raises(StepError, match="not a softmax"):
        logits_model(only)


def test_outputs_are_named_as_the_model_names_them() -> None:
    model, pixels = two_headed(), np.ones((3, 4, 4, 1))
    for each in (model, by_name(model)):
        found = named_outputs(each, each(pixels))
        assert {name: values.shape for name, values in found.arrays.items()} == {
            "side": (3, 2),
            "middle": (3, 1),
        }
    assert by_name(by_name(model)).output.keys() == {"side", "middle"}
