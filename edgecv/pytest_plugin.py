"""The plugin that pytest finds: the fixture ``edgecv_compare``, its marker, ``--edgecv-update``.

pytest loads it in every project of an environment that has edgecv, so that what it needs is
imported when the fixture is first used.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from edgecv.acceptance.testing.fixture import EdgecvCompare

FIXTURE = "edgecv_compare"
MARKER = "edgecv"
RUNNING = pytest.StashKey[pytest.Item]()
ACCEPTED = "edgecv accepted"
"""What a report calls what its test has accepted: a worker of pytest-xdist hands on no more."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--edgecv-update``."""
    parser.getgroup("edgecv").addoption(
        "--edgecv-update",
        action="store_true",
        help="accept what assert_as_accepted finds: write TEST.edgecv.lock beside each test file",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", f"{MARKER}: compares an artifact with its baseline; has what uses {FIXTURE}"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use the fixture, before ``-m`` looks at them."""
    for item in items:
        if FIXTURE in getattr(item, "fixturenames", ()):
            item.add_marker(MARKER)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Remember which test is running: what it accepts lies beside it."""
    item.config.stash[RUNNING] = item


@pytest.fixture(scope="session")
def edgecv_compare(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> "EdgecvCompare":
    """Compare an artifact with its baseline on the test images of a data set.

    Paths begin at rootdir. Each file is measured once in a run of pytest, by one of the workers.
    """
    from edgecv.acceptance.testing.fixture import EdgecvCompare
    from edgecv.acceptance.testing.session import CompareSession
    from edgecv.pipeline.prediction_cache import SharedPredictionCache

    def running() -> pytest.Item:
        return pytestconfig.stash[RUNNING]

    setting = CompareSession(
        root=pytestconfig.rootpath,
        prediction_cache=SharedPredictionCache(_shared(pytestconfig, tmp_path_factory) / "edgecv"),
        is_update=pytestconfig.getoption("edgecv_update"),
        test_file=lambda: running().path,
        on_accepted=lambda words: running().user_properties.append((ACCEPTED, words)),
    )
    return EdgecvCompare(setting)


def _shared(config: pytest.Config, factory: pytest.TempPathFactory) -> Path:
    """Return the temporary folder of a run: a worker of pytest-xdist has its own below it."""
    own = factory.getbasetemp()
    return own.parent if hasattr(config, "workerinput") else own


def pytest_terminal_summary(terminalreporter: "pytest.TerminalReporter") -> None:
    """Say what was accepted."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    # Other plugins have reports of their own kinds, and this is loaded beside all of them.
    properties = [each for report in reports for each in getattr(report, "user_properties", ())]
    words = [str(value) for key, value in properties if key == ACCEPTED]
    if words:
        terminalreporter.section("edgecv accepted")
        for line in dict.fromkeys(words):
            terminalreporter.line(line)
