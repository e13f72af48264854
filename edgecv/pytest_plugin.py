"""The pytest plugin: the fixture ``edgecv_compare``, its marker, ``--edgecv-update``.

pytest loads it in every project of an environment with edgecv; therefore its imports are delayed
until the fixture is first used.
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
"""Name of the property of a test report that lists what the test has accepted."""


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
    """Remember the running test: its accepted results are stored beside its file."""
    item.config.stash[RUNNING] = item


@pytest.fixture(scope="session")
def edgecv_compare(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> "EdgecvCompare":
    """Compare an artifact with its baseline on the test images of a data set.

    Paths are relative to rootdir. Each file is measured once in a run of pytest, by one worker.
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
        on_accepted=lambda text: running().user_properties.append((ACCEPTED, text)),
    )
    return EdgecvCompare(setting)


def _shared(config: pytest.Config, factory: pytest.TempPathFactory) -> Path:
    """Return the temporary folder of a run, which the workers of pytest-xdist share."""
    own = factory.getbasetemp()
    return own.parent if hasattr(config, "workerinput") else own


def pytest_terminal_summary(terminalreporter: "pytest.TerminalReporter") -> None:
    """List the accepted results."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    # Other plugins add reports of other types.
    properties = [each for report in reports for each in getattr(report, "user_properties", ())]
    accepted = [str(value) for key, value in properties if key == ACCEPTED]
    if accepted:
        terminalreporter.section("edgecv accepted")
        for line in dict.fromkeys(accepted):
            terminalreporter.line(line)
