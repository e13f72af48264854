"""What is timed here is timed for as long as a user's run does it."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def quick_measuring() -> None:
    """Stand for the fixture of that name of all other tests, and shorten nothing."""


@pytest.fixture(scope="session", autouse=True)
def warm_children() -> None:
    """Stand for the fixture of that name of all other tests: children start as a user's do."""
