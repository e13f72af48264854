"""Several processes and one folder, one file: who comes second waits, and nothing is lost."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from edgecv.acceptance.lock import Lock
from edgecv.acceptance.testing.accepted_file import change_entry, read_accepted
from edgecv.acceptance.testing.fixture import EdgecvCompare
from edgecv.core.data import Outputs
from edgecv.pipeline.prediction_cache import SharedPredictionCache

pytestmark = pytest.mark.quick

A_MOMENT = 0.3
"""Seconds in which one who does not wait would be done."""


def outputs() -> Outputs:
    return Outputs.one(np.ones((1, 2), np.float32))


def fail() -> Outputs:
    raise KeyboardInterrupt


def test_who_comes_second_waits_and_finds_the_answer(tmp_path: Path) -> None:
    begun, second_asked, go_on = Event(), Event(), Event()

    def slow() -> Outputs:
        begun.set()
        go_on.wait()
        return outputs()

    def quick() -> Outputs:
        second_asked.set()
        return outputs()

    def measure(ask: Callable[[], Outputs]) -> float:
        prediction_cache = SharedPredictionCache(tmp_path)
        with prediction_cache.open():
            return float(prediction_cache.outputs("key", ask).only.sum())

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(measure, slow)
        begun.wait()
        second = pool.submit(measure, quick)
        is_impatient = second_asked.wait(A_MOMENT)
        go_on.set()
        assert (first.result(), second.result()) == (2.0, 2.0)
    assert not is_impatient
    assert not second_asked.is_set(), "it was there"


def test_an_interrupted_measurement_lets_others_go_on(tmp_path: Path) -> None:
    prediction_cache, other = SharedPredictionCache(tmp_path), SharedPredictionCache(tmp_path)
    with pytest.raises(KeyboardInterrupt), prediction_cache.open():
        prediction_cache.outputs("key", fail)
    with other.open():
        assert other.outputs("key", outputs).only.sum() == 2
    with prediction_cache.open():
        assert prediction_cache.outputs("key", fail).only.sum() == 2, "it is kept"


def test_two_who_accept_at_the_same_time_both_do(
    comparing: Callable[..., EdgecvCompare], tmp_path: Path
) -> None:
    compare = comparing(update=True)
    compare("models/good.onnx", baseline="models/baseline.onnx", data="digits").assert_as_accepted()
    path = tmp_path / "tests" / "test_model.edgecv.lock"
    (lock,) = read_accepted(path).values()
    begun, second_done = Event(), Event()

    def slow(old: Lock | None) -> Lock:
        begun.set()
        second_done.wait(A_MOMENT)
        return lock

    def quick() -> None:
        change_entry(path, "second", lambda old: lock)
        second_done.set()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(change_entry, path, "first", slow)
        begun.wait()
        second = pool.submit(quick)
        first.result(), second.result()
    assert {"first", "second"} < set(read_accepted(path))
