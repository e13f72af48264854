"""Limits that no recipe of a search could hold are refused before the first trial."""

from pathlib import Path

import pytest
from known_search import KnowingEngine, searched

from edgecv.core.errors import InputError
from edgecv.evaluation.limits import Limits
from edgecv.pipeline.search.limit_checks import check_reachable
from edgecv.pipeline.search.options import SearchOptions

pytest.importorskip("optuna", reason='needs Optuna: pip install "edgecv[search]"')
pytestmark = pytest.mark.quick


def test_a_size_below_the_weights_of_every_recipe_is_refused(tmp_path: Path) -> None:
    engine = KnowingEngine()
    engine.unfit = ["student"]
    with pytest.raises(InputError, match=r"--max-size 1,000 bytes: is reached by no recipe of the"):
        searched(tmp_path, engine, max_size=1000)
    assert not engine.names
    with pytest.raises(InputError, match=r"the space: shrink keep 0\.15 has 2,250 parameters or"):
        searched(tmp_path, engine, max_size=1000)
    searched(tmp_path / "a student of unknown size", max_size=1000, trials=1)
    engine.unfit, engine.least["student"] = [], 2000
    with pytest.raises(InputError, match=r"student network .* has 2,000 parameters or more"):
        searched(tmp_path, engine, max_size=1000)
    engine.unfit = ["student", "shrink"]
    with pytest.raises(InputError, match=r"or more, which in int8 take about 100,000 bytes"):
        searched(tmp_path, engine, max_size=99_999)


def test_a_drop_that_no_file_could_be_shown_to_hold_is_refused() -> None:
    base = SearchOptions(data="digits").to_recipe()
    strict = base.replace(gates=Limits(max_drop_points=1.0))
    few = {"train": 1010, "calibration": 202, "validation": 135}
    many = {"train": 10, "calibration": 2, "validation": 1000}
    expected = (
        r"--max-drop 1: cannot be shown on 135 validation images.* may still lose 2\.77 points.*"
        r"accepted: 2\.77 or more here, or 381 validation images; give a larger --max-drop, or"
        r" --validation 0\.29$"
    )
    with pytest.raises(InputError, match=expected):
        check_reachable(strict, few, has_labels=True)
    check_reachable(strict, many, has_labels=True)
    check_reachable(strict, {**few, "validation": 381}, has_labels=True)
    check_reachable(base, few, has_labels=True)
    check_reachable(base.replace(gates=Limits(max_drop_points=2.77)), few, has_labels=True)
    with pytest.raises(InputError, match=r"has no labels, and trials are compared by their"):
        check_reachable(base, few, has_labels=False)
    # No fraction is enough, or the fraction is not what has chosen them.
    with pytest.raises(InputError, match=r"more images: no fraction below 0\.5 of these 600"):
        check_reachable(
            strict, {"train": 480, "calibration": 60, "validation": 60}, has_labels=True
        )
    with pytest.raises(InputError, match=r"give a larger --max-drop, or more validation images$"):
        check_reachable(strict, {**few, "validation": 300}, has_labels=True)
