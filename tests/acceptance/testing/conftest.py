"""A team that has edgecv, and small real models of digits."""

import shutil
from collections.abc import Callable
from pathlib import Path

import digit_models
import pytest
from team_project import Team, install

from edgecv.acceptance.testing.fixture import EdgecvCompare
from edgecv.acceptance.testing.session import CompareSession
from edgecv.pipeline.prediction_cache import SharedPredictionCache


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of classifiers: the baseline, as good, a little worse, bad ones."""
    folder = tmp_path_factory.mktemp("plugin") / "models"
    folder.mkdir()
    digit_models.write(folder / "baseline.onnx")
    digit_models.write(folder / "good.onnx", noise=0.001)
    digit_models.write(folder / "doubtful.onnx", noise=0.02)
    digit_models.write(folder / "bad.onnx", noise=0.3)
    digit_models.write(folder / "without_8.onnx", without=8)
    digit_models.write(folder / "larger.onnx", side=10)
    (folder / "damaged.onnx").write_bytes((folder / "good.onnx").read_bytes()[:500])
    return folder


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of ``sys.path`` where edgecv counts as installed."""
    return install(tmp_path_factory.mktemp("installed"))


def make_team(folder: Path, models: Path, installed: Path) -> Team:
    team = Team(folder, installed)
    shutil.copytree(models, folder / "models")
    team.write(
        "pytest.ini",
        "[pytest]\naddopts = --strict-markers -p no:cacheprovider -p no:hypothesispytest\n",
    )
    return team


@pytest.fixture
def team(tmp_path: Path, models: Path, installed: Path) -> Team:
    """Return a project with the models and no tests yet."""
    return make_team(tmp_path, models, installed)


@pytest.fixture(scope="module")
def module_team(tmp_path_factory: pytest.TempPathFactory, models: Path, installed: Path) -> Team:
    """Return a project for all tests of a file."""
    return make_team(tmp_path_factory.mktemp("team"), models, installed)


@pytest.fixture(scope="session")
def prediction_cache(tmp_path_factory: pytest.TempPathFactory) -> SharedPredictionCache:
    """Return what keeps predictions: by content, so that all tests may share it."""
    return SharedPredictionCache(tmp_path_factory.mktemp("recall"))


@pytest.fixture
def comparing(
    tmp_path: Path, models: Path, prediction_cache: SharedPredictionCache
) -> Callable[..., EdgecvCompare]:
    """Return what makes the fixture of a test in ``tests/test_model.py``, without a pytest."""
    shutil.copytree(models, tmp_path / "models")
    (tmp_path / "tests").mkdir()

    def make(*, update: bool = False, told: list[str] | None = None) -> EdgecvCompare:
        test = tmp_path / "tests" / "test_model.py"
        kept = [] if told is None else told
        return EdgecvCompare(
            CompareSession(tmp_path, prediction_cache, update, lambda: test, kept.append)
        )

    return make
