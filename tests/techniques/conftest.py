"""The tiny network that is shrunk, the bench it is shrunk on, the paths that are searched."""

from typing import Any

import pytest
from shrinking import MeasurementPool, small

from edgecv.techniques.channel_pruning.allocation import Candidate
from edgecv.techniques.channel_pruning.targets import Search


@pytest.fixture(scope="module")
def model() -> Any:
    return small()


@pytest.fixture
def bench(model: Any) -> MeasurementPool:
    return MeasurementPool(base=model.count_params())


@pytest.fixture
def paths(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[Candidate], int]]:
    """Return the list that the path of every search, and the place found, is written down in."""
    seen: list[tuple[list[Candidate], int]] = []
    really = Search.first_that_holds

    def recorded(search: Search, path: Any) -> int:
        place = really(search, path)
        seen.append((list(path), place))
        return place

    monkeypatch.setattr(Search, "first_that_holds", recorded)
    return seen
