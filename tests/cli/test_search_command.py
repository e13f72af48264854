"""Forms of the answer of ``edgecv search`` that need no trial."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from small_report import REPORT

from edgecv.acceptance import accept_front as acceptance
from edgecv.acceptance.options import GateOptions
from edgecv.cli.search import SearchCommand
from edgecv.core.errors import EdgecvError, InputError, StepError
from edgecv.core.events import Event
from edgecv.pipeline.search.options import SearchOptions
from edgecv.pipeline.search.search import opened

pytestmark = pytest.mark.quick


def test_the_status_and_the_plan_are_two_answers() -> None:
    """Of both, the status was printed alone."""
    with pytest.raises(InputError, match=r"--status: stands beside --dry-run; give one of them"):
        SearchCommand(data="digits", status=True, dry_run=True)


def test_the_cache_is_that_of_the_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials filled the user's own, and so did the lock of a run of the front."""
    pytest.importorskip("optuna", reason='needs Optuna: pip install "edgecv[search]"')
    for name in ("EDGECV_NO_CACHE", "EDGECV_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    given: dict[str, Any] = {"data": "digits", "output": str(tmp_path / "out")}
    with opened(SearchOptions(no_cache=True, **given), print):
        assert os.environ["EDGECV_NO_CACHE"] == "1"
    assert "EDGECV_NO_CACHE" not in os.environ
    options = SearchOptions(cache=str(tmp_path), **given)
    with opened(options, print):
        assert os.environ["EDGECV_CACHE_DIR"] == str(tmp_path)
    monkeypatch.setattr(acceptance, "read_report", lambda run: REPORT)
    asked = acceptance.gate_options(tmp_path / "s-001", tmp_path / "s-001.lock", options)
    assert (asked.cache, asked.on) == (str(tmp_path), None)


def test_a_lock_that_cannot_be_written_takes_no_result_of_a_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After hours of trials the device was gone, and nothing of the search was shown."""
    reasons: dict[str, EdgecvError] = {
        "s-001": StepError("--on ssh://host", "does not answer"),
        "s-002": InputError("s-002.lock", "would be 1.1 MB"),
    }

    def gate_run(options: GateOptions, *_: Any) -> SimpleNamespace:
        if (reason := reasons.get(options.run.name)) is not None:
            raise reason
        return SimpleNamespace(update="written")

    monkeypatch.setattr(acceptance, "gate_run", gate_run)
    monkeypatch.setattr(acceptance, "read_report", lambda run: REPORT)
    events: list[Event] = []
    folders = [tmp_path / name for name in (*reasons, "s-003")]
    points = [SimpleNamespace(folder=str(each), outcome="passed") for each in folders]
    front: Any = SimpleNamespace(front=points)
    acceptance.accept_front(front, SearchOptions(), events.append)
    assert [each.message for each in events if each.stage == "note"] == [
        f"{tmp_path}/{name} has no lock: {reason}" for name, reason in reasons.items()
    ]
    assert events[-1].message == f"writing {tmp_path}/s-003.lock"
