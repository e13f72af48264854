"""Forms of the answer of ``edgecv search`` that need no trial."""

import os
from pathlib import Path
from typing import Any

import pytest
from small_report import REPORT

from edgecv.acceptance import accept_front as acceptance
from edgecv.cli.search import SearchCommand
from edgecv.core.errors import InputError
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
