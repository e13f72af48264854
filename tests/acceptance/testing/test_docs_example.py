"""The test of a team in docs/guides/pytest.md, run as it stands there."""

import re
from pathlib import Path
from typing import Any

import digit_models
import numpy as np
import pytest
from team_project import REPOSITORY, Team

from edgecv.acceptance.testing.accepted_file import accepted_file, read_accepted
from edgecv.datasets.resolve import resolve

PAGE = REPOSITORY / "docs" / "guides" / "pytest.md"


def example() -> tuple[str, str]:
    """Return the name of the file that the page shows, and its text."""
    text = PAGE.read_text("utf-8")
    block = r"`(tests/test_\w+\.py)`:\n\n<!-- [^\n]+ -->\n```python\n(.*?)```"
    found = re.search(block, text, re.DOTALL)
    assert found is not None
    return found[1], found[2]


def network(without: int | None = None) -> Any:
    """Return the classifier of the digits as a Keras model."""
    from edgecv.models.tf import load_tensorflow

    _, keras = load_tensorflow()
    weights, biases = digit_models.learned()
    if without is not None:
        biases = biases - 100 * np.eye(digit_models.CLASSES, dtype=np.float32)[without]
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.InputLayer((digit_models.SIDE, digit_models.SIDE, 3), name="image"),
            layers.Rescaling(1 / 255, name="rescale"),
            layers.Flatten(name="flatten"),
            layers.Dense(digit_models.CLASSES, name="logits"),
            layers.Softmax(name="probabilities"),
        ]
    )
    model.get_layer("logits").set_weights([weights, biases])
    return model


def export(model: Any, path: Path) -> None:
    """Write a model as int8 TFLite."""
    from edgecv.formats.tflite.exporter import TFLite

    data = resolve("digits").load((digit_models.SIDE, digit_models.SIDE, 3), 0, lambda *_: None)
    TFLite(precision="int8").export(model, data.calibration.images, path)


def test_the_example_has_ten_lines() -> None:
    lines = [line for line in example()[1].splitlines() if line and not line.startswith("import")]
    assert len(lines) <= 10


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory, installed: Path) -> Team:
    """Return a team with a Keras model, its int8 file, and the test of the page."""
    team = Team(tmp_path_factory.mktemp("page"), installed)
    team.write("pytest.ini", "[pytest]\naddopts = -p no:hypothesispytest\n")
    team.write(*example())
    (team.folder / "models").mkdir()
    network().save(team.folder / "models" / "baseline.keras")
    export(network(), team.folder / "models" / "int8.tflite")
    return team


def test_the_example_passes_and_accepts(team: Team) -> None:
    seen = team.pytest("--edgecv-update")
    assert seen.code == 0, seen.output
    (lock,) = read_accepted(accepted_file(team.folder / example()[0])).values()
    assert list(lock.artifacts) == ["int8.tflite"]


@pytest.mark.slow
def test_the_example_notices_a_worse_file(team: Team) -> None:
    assert team.pytest("--edgecv-update").code == 0
    export(network(without=8), team.folder / "models" / "int8.tflite")
    seen = team.pytest("-m", "edgecv")
    assert seen.code == 1, seen.output
    good, accepted = seen.messages.values()
    assert "models/int8.tflite: points lost at the worse end of the 95% interval" in good
    assert "points lost against the accepted run" in accepted
    assert "If the change is wanted: pytest --edgecv-update" in accepted


@pytest.mark.parametrize("words", ["compared", "accuracy", "became right", "next"])
def test_the_message_that_is_shown_is_one_of_ours(words: str) -> None:
    shown = PAGE.read_text("utf-8").partition("\nAssertionError: ")[2]
    assert f"\n  {words:<13}  " in shown.partition("```")[0]
