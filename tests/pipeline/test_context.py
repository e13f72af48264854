"""The context of a command: its parts reach every step, and its children end with it."""

from pathlib import Path

import pytest

from edgecv.core.events import Event
from edgecv.pipeline.context import open_analysis, open_run
from edgecv.pipeline.recipe.run_settings import RunSettings
from edgecv.system.storage import Store

pytestmark = pytest.mark.quick

SETTINGS = RunSettings(name="test", seed=7, threads=2)


def test_a_run_has_one_of_each(tmp_path: Path) -> None:
    events: list[Event] = []
    store, log = Store(tmp_path), tmp_path / "log.txt"
    with open_run(store, SETTINGS, events.append, log) as context:
        context.emit("note", "a sentence")
        context.emit("data", "reading images", 1, 2)
        pool = context.measurements
        assert (context.seed, context.threads, pool.threads) == (7, 2, 2)
        assert (context.store.root, context.log, pool.log) == (store.root, log, log)
        context.store.say("waiting")
        assert pool.on_event is context.on_event
    assert events == [
        Event("note", "a sentence"),
        Event("data", "reading images", 1, 2),
        Event("wait", "waiting"),
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fails", [False, True])
def test_its_children_end_with_it(fails: bool) -> None:
    pids: list[int | None] = []

    def work() -> None:
        with open_analysis(SETTINGS) as context:
            child = context.measurements.timer("litert")
            child.start()
            pids.append(child.pid)
            if fails:
                raise KeyboardInterrupt

    if fails:
        with pytest.raises(KeyboardInterrupt):
            work()
    else:
        work()
    (pid,) = pids
    assert pid is not None
    assert not Path(f"/proc/{pid}").exists()
