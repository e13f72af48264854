import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgecv.core.data import Outputs
from edgecv.core.report import Gate
from edgecv.evaluation.gates import exit_code, failed_file, verdict
from edgecv.evaluation.latency import speedup, summarize
from edgecv.evaluation.tasks.classification import Classification

pytestmark = pytest.mark.quick

TASK = Classification()


def agreement(predictions: np.ndarray, reference: np.ndarray) -> float:
    same = TASK.same_answer(Outputs.one(predictions), Outputs.one(reference))
    return float(np.mean(same))


def max_probability_difference(predictions: np.ndarray, reference: np.ndarray) -> float:
    return TASK.differences(Outputs.one(predictions), Outputs.one(reference))[1]


@given(arrays(np.float32, (20, 4), elements=st.floats(0, 1, width=32)))
def test_predictions_agree_with_themselves(predictions: np.ndarray) -> None:
    assert agreement(predictions, predictions) == 1.0
    assert max_probability_difference(predictions, predictions) == 0.0


def test_agreement_counts_images_and_not_probabilities() -> None:
    reference = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]], np.float32)
    changed = np.array([[0.6, 0.4], [0.7, 0.3], [0.6, 0.4], [0.3, 0.7]], np.float32)
    assert agreement(changed, reference) == 0.75
    assert max_probability_difference(changed, reference) == pytest.approx(0.5)


def test_median_and_p95_are_in_microseconds() -> None:
    blocks = np.arange(1, 101, dtype=np.int64).reshape(10, 10) * 1000
    latency = summarize([blocks[:4], blocks[4:]], threads=2)
    assert (latency.median_us, latency.threads, latency.runs) == (50.5, 2, 100)
    assert latency.p95_us == pytest.approx(95.05)


def test_the_speedup_of_a_file_that_takes_a_third() -> None:
    noise = np.random.default_rng(1).normal(1, 0.05, (40, 20))
    twin = (30_000 * noise).astype(np.int64)
    processes = np.split(twin, 4)
    ratio, interval = speedup(processes, [each // 3 for each in processes])
    assert interval is not None
    assert ratio == pytest.approx(3, rel=0.01)
    assert interval[0] <= ratio <= interval[1]
    assert interval[1] - interval[0] < 0.2


def test_a_slow_second_hits_both_sides_of_a_ratio() -> None:
    twin = np.full((40, 20), 30_000, np.int64)
    candidate = np.full((40, 20), 10_000, np.int64)
    twin[:10] *= 5
    candidate[:10] *= 5
    ratio, interval = speedup([twin, twin], [candidate, candidate])
    assert ratio == pytest.approx(3.0)
    assert interval == pytest.approx((3.0, 3.0), rel=0.01)


def test_a_file_is_as_fast_as_itself() -> None:
    blocks = np.random.default_rng(2).integers(9_000, 11_000, (40, 20))
    processes = [blocks] * 2
    assert speedup(processes, processes) == (1.0, (1.0, 1.0))


def test_what_differs_between_processes_is_in_the_interval() -> None:
    """Each process is even in itself: what one of them shows may be its place in memory."""
    twin = [np.full((40, 20), 30_000, np.int64)] * 3
    candidate = [np.full((40, 20), each, np.int64) for each in (9_800, 10_000, 10_200)]
    ratio, interval = speedup(twin, candidate)
    assert interval is not None
    assert ratio == pytest.approx(3.0, rel=0.001)
    assert interval[1] / interval[0] > 1.1


def test_processes_that_agree_by_chance_do_not_make_the_interval_a_point() -> None:
    """Eight runs gave eight intervals of width 0.0001, and no two of them met."""
    twin = [np.full((40, 20), 30_000, np.int64)] * 4
    _, interval = speedup(twin, [each // 3 for each in twin])
    assert interval is not None
    assert 1.004 < interval[1] / interval[0] < 1.02


def test_one_process_has_a_ratio_and_no_interval() -> None:
    blocks = np.full((40, 20), 30_000, np.int64)
    assert speedup([blocks], [blocks // 3]) == (pytest.approx(3.0), None)


@pytest.mark.parametrize(
    ("outcomes", "expected", "code"),
    [
        ([], "passed", 0),
        (["passed", "passed"], "passed", 0),
        (["passed", "inconclusive"], "inconclusive", 4),
        (["inconclusive", "failed", "passed"], "failed", 1),
    ],
)
def test_a_run_is_as_good_as_its_worst_gate(outcomes: list[str], expected: str, code: int) -> None:
    gates = [Gate("max_drop_points", "a", 1.0, 0.5, outcome) for outcome in outcomes]  # type: ignore[arg-type]
    assert verdict(gates) == expected
    assert exit_code(gates) == code


def test_a_file_that_cannot_be_measured_is_a_failed_step() -> None:
    gates = [failed_file("bad.tflite", "litert died of SIGSEGV")]
    assert (verdict(gates), exit_code(gates)) == ("failed", 3)
