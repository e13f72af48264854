"""Depth: figures by hand, faults that default limits catch, and a run from training to int8."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from marks import recipe

from edgecv.core.artifact import Artifact, SessionFacts, TensorFacts
from edgecv.core.comparison import Measurement
from edgecv.core.data import Dataset, Outputs, Shape, Split
from edgecv.core.errors import InputError
from edgecv.core.plugins import DatasetSource, Progress
from edgecv.core.registry import ARCHITECTURES, DATASETS
from edgecv.core.report import Gate, Report
from edgecv.core.targets import together
from edgecv.evaluation.comparison import compare
from edgecv.evaluation.limit_checks import judge_limits
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.tasks.depth import Depth
from edgecv.models.training.augmentation import BatchMove
from edgecv.pipeline.run import run
from edgecv.reports.json_file import read_report
from edgecv.system.storage import Store

SIDE = 16
TASK = Depth()
TENSOR = TensorFacts("image", (1, SIDE, SIDE, 1), "uint8")


def boards(count: int, seed: int) -> Split:
    """Make images of slanted floors with a board in front: what is near is bright."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    slope = random.uniform(0.1, 0.4, (2, count, 1, 1))
    depths = 4 + slope[0] * (SIDE - rows) + slope[1] * columns
    for depth, (top, left) in zip(depths, random.integers(1, 8, (count, 2)), strict=True):
        depth[top : top + 6, left : left + 6] = 2
    pixels = np.clip(240 - 14 * depths + random.normal(0, 3, depths.shape), 0, 255)
    depths[:, 0, :3] = 0  # not known
    targets = together({"depth": depths.astype(np.float32)})
    return Split(np.rint(pixels)[..., None].astype(np.uint8), targets, f"{seed:064d}")


def test_depths_of_which_none_is_known_are_refused() -> None:
    own = boards(3, 0)
    targets = together({"depth": np.zeros((3, SIDE, SIDE), np.float32)})
    nothing = replace(own, labels=targets)
    with pytest.raises(InputError, match="boards: has depths of 3 test images, all of them 0"):
        TASK.of_task(Dataset("boards", (), own, own, own, nothing))
    TASK.of_task(Dataset("boards", (), nothing, nothing, nothing, own))


class Boards(DatasetSource):
    """Slanted floors and boards."""

    name: ClassVar[str] = "boards"

    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        sizes = {"train": 300, "calibration": 40, "validation": 60, "test": 100}
        splits = {name: boards(count, place) for place, (name, count) in enumerate(sizes.items())}
        return Dataset("boards", (), **splits)


DATA = TASK.of_task(Boards().load((SIDE, SIDE, 1), 0, lambda done, total: None))
DEPTHS = DATA.test.labels


def good() -> np.ndarray:
    noise = np.random.default_rng(1).normal(1, 0.05, DEPTHS.shape)
    return (np.where(DEPTHS > 0, DEPTHS, 5) * noise)[..., None].astype(np.float32)


def gates(values: np.ndarray) -> dict[str, Gate]:
    facts = SessionFacts(TENSOR, (TENSOR,), (values.shape[1:],), (SIDE, SIDE, 1))
    file = Artifact("int8.tflite", "tflite", "int8", 1, 1, "0" * 64)
    measured = Measurement(file, "litert", Outputs.one(values), facts)
    found = compare(measured, None, Outputs.one(good()), DEPTHS, TASK, 1)
    judged = judge_limits(found, Limits().with_defaults(), classes=(), machine="here")
    return {gate.name: gate for gate in judged}


def test_figures_count_known_pixels_alone() -> None:
    depths = np.array([[[2.0, 4.0]], [[0.0, 10.0]]], np.float32)
    outputs = Outputs.one(np.array([[[2.0, 5.0]], [[99.0, 20.0]]], np.float32)[..., None])
    found = {each.name: each.of(outputs, depths) for each in TASK.metrics}
    wanted = {
        "AbsRel": (0 + 0.25 + 1) / 3,
        "delta1": 2 / 3,
        "MAE": 11 / 3,
        "RMSE": (101 / 3) ** 0.5,
    }
    assert found == pytest.approx(wanted)
    assert TASK.score_per_image(outputs, depths) == pytest.approx([-0.125, -1])
    assert TASK.resampled(outputs, depths)(np.array([0, 0, 1])) == pytest.approx(-1.5 / 5)
    assert TASK.headline.gain_points(0.2, 0.1) == pytest.approx(-10)


def test_the_score_in_training_is_that_of_the_file_and_maps_are_resized() -> None:
    targets = TASK.targets(DEPTHS)
    in_training = TASK.training_score(targets, good()).numpy()
    measured = TASK.score_per_image(Outputs.one(good()), DEPTHS)
    np.testing.assert_allclose(in_training, measured, rtol=1e-3)
    assert TASK.loss(targets, good()[:, ::2, ::2]).numpy().shape == (len(DEPTHS),)
    unknown = good()
    unknown[:, 0, :3] = 1e6
    np.testing.assert_allclose(TASK.loss(targets, unknown), TASK.loss(targets, good()), rtol=1e-5)
    small = Outputs.one(good()[:, ::2, ::2])
    assert TASK.metric(small, DEPTHS) < 0.5
    assert TASK.normalized(Outputs.one(np.moveaxis(good(), -1, 1)), {})[0].only.shape[-1] == 1
    with pytest.raises(ValueError, match="no depths"):
        TASK.normalized(Outputs.one(np.zeros((2, 8, 8, 3), np.float32)), {})


def test_depths_move_with_their_images() -> None:
    import tensorflow

    offsets = tensorflow.constant([[[1]], [[2]]])
    move = BatchMove(offsets, tensorflow.constant([[True]]), 1, (SIDE, SIDE))
    after = TASK.moved(tensorflow.constant(TASK.targets(DEPTHS[:1])), move).numpy()
    np.testing.assert_array_equal(after[0, :, 1:, 0], DEPTHS[0, :, ::-1][:, :-1])


def test_an_honest_file_passes() -> None:
    values = good() * np.random.default_rng(2).normal(1, 0.005, good().shape).astype("f4")
    assert gates(values)["max_drop_points"].outcome == "passed"
    assert TASK.same_answer(Outputs.one(values), Outputs.one(good())).all()


@pytest.mark.parametrize(
    "fault",
    [lambda maps: maps[:, ::-1], lambda maps: maps * 1.1, lambda maps: np.roll(maps, 2, 2)],
    ids=["upside down", "scaled", "shifted"],
)
def test_default_limits_catch(fault: Any) -> None:
    assert gates(fault(good()))["max_drop_points"].outcome == "failed"


def test_one_depth_everywhere_proves_nothing() -> None:
    constant = Outputs.one(np.full_like(good(), np.median(DEPTHS)))
    assert not TASK.proof(constant, DEPTHS).holds
    assert not TASK.proof(constant, None).holds
    assert TASK.proof(Outputs.one(good()), DEPTHS).holds


def test_the_picture_has_both_maps_in_grey() -> None:
    before, after = Outputs.one(good()), Outputs.one(good() * 2)
    picture = TASK.picture(after, before, DATA, 0)
    assert picture.shape == (SIDE, 3 * SIDE, 3)
    assert picture[:, SIDE : 2 * SIDE].mean() < picture[:, 2 * SIDE :].mean()
    (line,) = TASK.captions(after, before, DATA, 0)
    assert line.startswith("off by ")
    assert TASK.truth(DATA, 0).startswith("2 to ")
    (line,) = TASK.captions(after, before, replace(DATA, has_labels=False), 0)
    assert " -> " in line


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    whole = recipe(TASK)
    network = {"architecture": "unet_small", "width": 4, "depth": 2}
    schedule = whole.schedule.model_copy(update={"learning_rate": 0.02, "minimum_steps": 120})
    made = whole.replace(
        data=Boards(),
        architecture=ARCHITECTURES.parse(network, "test"),
        schedule=schedule,
        exports=whole.exports[:1],
    )
    store = Store(tmp_path_factory.mktemp("depth"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(vars(DATASETS), "classes", {**DATASETS.classes, Boards.name: Boards})
        run(made, store)
        yield read_report(store.run_folder("marks"))


def test_a_run_learns_compresses_and_judges(report: Report) -> None:
    assert report.baseline is not None
    assert report.baseline.metric == "AbsRel"
    assert report.baseline.value is not None
    assert report.baseline.value < 0.1
    assert {gate.outcome for gate in report.gates} == {"passed"}
    assert {each.artifact.precision for each in report.comparisons} == {"float32", "int8"}
    for each in report.comparisons:
        assert each.statistics is not None
        assert each.statistics.scores is not None
