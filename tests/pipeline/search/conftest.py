"""A small search, run once for all tests that only look at it."""

from collections.abc import Callable
from typing import Any

import pytest
from known_search import KnowingEngine, Searched, searched


@pytest.fixture(scope="session")
def small(
    tmp_path_factory: pytest.TempPathFactory, blank_pictures: Callable[[Any], bytes]
) -> Searched:
    folder, engine = tmp_path_factory.mktemp("search"), KnowingEngine()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgecv.reports.png.drawn", blank_pictures)
        return Searched(folder, engine, searched(folder, engine, max_size=60_000))
