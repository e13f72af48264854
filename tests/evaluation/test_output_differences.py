"""Outputs of any number and shape: which belong together, and how far they are apart."""

import numpy as np
import pytest

from edgecv.core.artifact import Artifact, SessionFacts, TensorFacts
from edgecv.core.comparison import Comparison, Measurement
from edgecv.core.data import Outputs
from edgecv.core.plugins import Task
from edgecv.core.report import Gate
from edgecv.evaluation.comparison import align_all, compare
from edgecv.evaluation.limit_checks import judge_limits
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.output_differences import aligned, output_differences
from edgecv.evaluation.task_of import compared_outputs
from edgecv.evaluation.tasks.depth import Depth
from edgecv.evaluation.tasks.outputs import ComparedOutputs
from edgecv.evaluation.tasks.regression import Regression

pytestmark = pytest.mark.quick

RANDOM = np.random.default_rng(0)
BOXES, SCORES, OTHERS = (
    RANDOM.normal(size=(40, *shape)).astype(np.float32) for shape in ((10, 4), (10,), (10,))
)
TRUE = Outputs({"boxes": BOXES, "scores": SCORES, "others": OTHERS})
TENSOR = TensorFacts("t", (1, 10), "float32")
FACTS = SessionFacts(TENSOR, (TENSOR,), ((10,),), (8, 8, 3))
FILE = Artifact("int8.tflite", "tflite", "int8", 10, 10, "0" * 64)


def noisy(scale: float) -> Outputs:
    return Outputs(
        {
            name: each + scale * RANDOM.normal(size=each.shape).astype(np.float32)
            for name, each in TRUE.arrays.items()
        }
    )


def compared(outputs: Outputs) -> Comparison:
    measured = Measurement(FILE, "litert", outputs, FACTS)
    return compare(measured, None, TRUE, None, compared_outputs(), 1)


def gates(outputs: Outputs, **given: float) -> dict[str, Gate]:
    limits = Limits(**given).with_defaults()
    found = judge_limits(compared(outputs), limits, classes=(), machine="here")
    return {gate.name: gate for gate in found}


def test_outputs_belong_together_by_name() -> None:
    turned = Outputs({"others": OTHERS, "boxes": BOXES, "scores": SCORES})
    found, note = aligned(turned, TRUE)
    assert list(found.arrays) == list(TRUE.arrays)
    assert found.arrays["scores"] is SCORES
    assert note == ""


def test_outputs_of_other_names_belong_together_by_shape_and_then_by_values() -> None:
    found, note = aligned(Outputs({"a": OTHERS, "b": SCORES, "c": BOXES}), TRUE)
    assert found.arrays["boxes"] is BOXES
    assert found.arrays["scores"] is SCORES
    assert "another order" in note
    same, note = aligned(Outputs({"a": BOXES, "b": SCORES, "c": OTHERS}), TRUE)
    assert same.arrays["others"] is OTHERS
    assert note == ""


@pytest.mark.parametrize(
    ("outputs", "found"),
    [
        (Outputs({"boxes": BOXES}), "gives 1 output, the baseline gives 3"),
        (
            Outputs({"boxes": BOXES[:, :5], "scores": SCORES, "others": OTHERS}),
            r"its output boxes has the shape \[5, 4\], the baseline's \[10, 4\]",
        ),
    ],
)
def test_other_outputs_cannot_be_compared(outputs: Outputs, found: str) -> None:
    with pytest.raises(ValueError, match=found):
        aligned(outputs, TRUE)
    kept, failures = align_all([Measurement(FILE, "litert", outputs, FACTS)], TRUE)
    assert kept == []
    assert list(failures) == [FILE.path]


def test_figures_are_those_of_their_definitions() -> None:
    near = noisy(0.1)
    for found in output_differences(near, TRUE):
        mine, true = near.arrays[found.name], TRUE.arrays[found.name]
        error = np.abs(mine.astype(float) - true)
        assert found.largest == pytest.approx(error.max())
        assert found.mean == pytest.approx(error.mean())
        assert found.of_range == pytest.approx(error.max() / np.ptp(true), rel=1e-6)
        decibels = 10 * np.log10((true.astype(float) ** 2).sum() / (error**2).sum())
        assert found.sqnr_db == pytest.approx(decibels)
        assert found.sqnr_db == pytest.approx(20, abs=2)
        assert error[found.worst[0]].max() == error.max()
        assert found.cosine_interval is not None
        assert found.cosine_interval[0] < found.cosine < found.cosine_interval[1]  # type: ignore[operator]


def test_numbers_that_are_the_same_pass_every_limit() -> None:
    found = gates(TRUE, min_cosine=1.0, min_sqnr_db=100.0, max_difference=0.0)
    assert {gate.outcome for gate in found.values()} == {"passed"}
    assert {"min_cosine", "min_sqnr_db", "max_difference"} <= set(found)


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ({"min_cosine": 0.99}, "passed"), ({"min_cosine": 0.9999}, "failed"),
        ({"min_sqnr_db": 15.0}, "passed"), ({"min_sqnr_db": 25.0}, "failed"),
        ({"max_difference": 0.2}, "passed"), ({"max_difference": 0.01}, "failed"),
    ],
)  # fmt: skip
def test_a_limit_judges_the_worst_output(given: dict[str, float], outcome: str) -> None:
    assert gates(noisy(0.1), **given)[next(iter(given))].outcome == outcome


def test_broken_outputs_fail_by_default() -> None:
    broken = Outputs({**TRUE.arrays, "scores": -SCORES})
    assert gates(broken)["min_cosine"].outcome == "failed"
    assert "scores" in gates(broken)["min_cosine"].reason
    silent = Outputs({**TRUE.arrays, "others": np.zeros_like(OTHERS)})
    assert gates(silent)["min_cosine"].outcome == "failed"


def test_a_constant_output_of_the_baseline_hides_nothing() -> None:
    true = Outputs({"a": np.zeros((8, 3), np.float32), "b": SCORES[:8]})
    own = Outputs({"a": np.ones((8, 3), np.float32), "b": SCORES[:8]})
    measured = Measurement(FILE, "litert", own, FACTS)
    comparison = compare(measured, None, true, None, compared_outputs(), 1)
    limits = Limits(min_sqnr_db=5.0, max_difference=0.5)
    found = judge_limits(comparison, limits, classes=(), machine="here")
    assert {gate.name: gate.outcome for gate in found} == {
        "min_sqnr_db": "failed", "max_difference": "failed",
    }  # fmt: skip


def test_a_baseline_of_constants_proves_nothing() -> None:
    task = compared_outputs()
    constant = Outputs({"a": np.ones((8, 3), np.float32)})
    assert not task.proof(constant, None).holds  # type: ignore[union-attr]
    assert task.proof(TRUE, None).holds  # type: ignore[union-attr]


@pytest.mark.parametrize("task", [ComparedOutputs(), Regression(), Depth()])
def test_one_sample_is_not_said_to_give_the_same_numbers_for_every_sample(task: Task) -> None:
    shape = (1, 8, 8, 1) if isinstance(task, Depth) else (1, 8)
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found = task.proof(Outputs.one(values), None)
    assert found is not None
    assert not found.holds
    assert "numbers of one sample" in found.reason
    assert "give two or more" in found.reason
    constant = task.proof(Outputs.one(values.repeat(3, axis=0)), None)
    assert constant is not None
    assert not constant.holds
    assert "one sample" not in constant.reason
