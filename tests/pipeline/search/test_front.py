"""The front of a search: which points are on it, which is nearest, what its pages say."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from known_search import (
    Searched,
    finished,
    searched,
)

from edgecv.core.registry import TASKS
from edgecv.evaluation.limits import Limits
from edgecv.pipeline.search.front import (
    dominates,
    front_of,
    held_limits,
    limits_note,
    nearest,
    to_markdown,
    violations,
)
from edgecv.pipeline.search.options import SearchOptions
from edgecv.pipeline.search.trial import TrialFigures

pytest.importorskip("optuna", reason='needs Optuna: pip install "edgecv[search]"')
pytestmark = pytest.mark.quick


def test_the_pages_of_a_search_say_what_choosing_costs(small: Searched) -> None:
    for name in ("front.md", "front.json", "front.png", "front.html"):
        assert (small.folder / "s" / name).stat().st_size > 100
    page = (small.folder / "s/front.md").read_text()
    assert "16 recipes tried on validation images" in page
    assert "the best of many looks better there than it is" in page
    table = json.loads((small.folder / "s/front.json").read_text())
    assert table["outcome"] == "passed"
    assert [each["trial"]["number"] for each in table["front"]] == [
        each.trial.number for each in small.result.front
    ]


def test_the_nearest_is_said_where_nothing_holds(tmp_path: Path) -> None:
    result = searched(tmp_path, max_size=3000, trials=4)
    assert (result.front, result.outcome) == ((), "failed")
    assert result.nearest is not None
    page = to_markdown(result)
    assert "No recipe holds all limits. The nearest, trial" in page
    assert re.search(r"on 1,000 validation images: \w+.* \d.*, limit 3", page)
    assert "bytes" in page


def test_the_default_limit_is_held_and_said(tmp_path: Path) -> None:
    figures = TrialFigures(1000, -2.5, 3.5, 100, 90, 0, None, None)
    assert violations(figures, Limits())["max_drop_points"] == pytest.approx(0.005)
    assert "max_drop_points" not in violations(figures, Limits(max_drop_points="none"))
    result = searched(tmp_path, max_drop=None, max_size=60_000, trials=1)
    assert result.limits == {"max_class_drop_points": 20.0, "max_bytes": 60_000}
    base = SearchOptions(data="digits", max_size=60_000).to_recipe()
    assert held_limits(base)["max_drop_points"] == 2.0
    expected = "limits of all trials and of the front: points lost 2 (default), points lost by the"
    assert limits_note(base).startswith(expected)
    assert limits_note(base).endswith("20 (default), bytes 60,000")
    for task, held in (("segmentation", 20.0), ("regression", None)):
        other = base.replace(task=TASKS.parse({"task": task}, "test"))
        assert held_limits(other).get("max_class_drop_points") == held


def test_a_point_of_the_front_is_beaten_by_none() -> None:
    one = TrialFigures(1000, 0.0, 0.5, 100, 90, 0, 10.0, 2.0)
    assert dominates(one, replace(one, bytes=101))
    assert dominates(one, replace(one, median_us=10.4))
    assert not dominates(one, replace(one, bytes=101, median_us=9.0))
    # A slower one within the noise of a time loses by its bytes alone.
    assert dominates(replace(one, median_us=10.2), replace(one, bytes=101))
    assert not dominates(one, one)
    assert front_of([]) == []


def test_files_that_are_equal_are_one_point_of_the_front() -> None:
    """Three recipes of the same figures were three points, each run on the test images."""
    one = TrialFigures(1000, 0.0, 0.5, 100, 90, 0, 10.0, 2.0)
    equal = [finished(number, replace(one, median_us=10 + number / 10)) for number in range(3)]
    assert [each.number for each in front_of(equal[::-1])] == [0]
    faster = finished(3, replace(one, median_us=9.0))
    assert [each.number for each in front_of([*equal, faster])] == [3]


def test_what_no_point_of_the_front_beats_is_on_it() -> None:
    """0 beats 1 and 1 beats 2, each within the noise of a time: 2 is faster than 0 by more."""
    one = TrialFigures(1000, 0.0, 0.5, 100, 90, 0, 10.0, 2.0)
    chain = [
        finished(number, replace(one, bytes=100 + number, median_us=10 / 1.025**number))
        for number in range(3)
    ]
    assert [each.number for each in front_of(chain)] == [0, 2]


def test_the_nearest_counts_a_limit_on_the_latency() -> None:
    one = TrialFigures(1000, 0.0, 0.5, 100, 90, 0, 40.0, 2.0)
    found = [("slow", one), ("near", replace(one, bytes=120, median_us=11.0))]
    assert nearest(found, Limits(max_latency_us=10, max_bytes=110)) == "near"


def test_a_front_of_former_limits_leaves_no_page(tmp_path: Path) -> None:
    searched(tmp_path, trials=2)
    assert (tmp_path / "s/front.html").is_file()
    searched(tmp_path, trials=2, max_size=5000)
    assert not (tmp_path / "s/front.html").exists()
