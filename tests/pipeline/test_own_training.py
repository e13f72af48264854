"""A training function of the user's own, in place of edgecv's loop."""

from pathlib import Path
from typing import Any

import pytest
from marks import recipe
from refusals import refusal_of

from edgecv.core.errors import StepError
from edgecv.core.registry import TASKS
from edgecv.pipeline.recipe.parts import BaselineOptions
from edgecv.pipeline.recipe.recipe import Recipe, parse_recipe
from edgecv.pipeline.run import train
from edgecv.system.storage import Store

MODULE = """
import tf_keras

def train(model, data, schedule):
    model.compile(
        tf_keras.optimizers.Adam(schedule.learning_rate),
        tf_keras.losses.SparseCategoricalCrossentropy(),
    )
    images, labels = data.train.images.astype("float32"), data.train.labels
    model.fit(images, labels, batch_size=schedule.batch, epochs=25, verbose=0)

def fails(model, data, schedule):
    raise RuntimeError("no more memory")

def other(model, data, schedule):
    return tf_keras.Sequential([tf_keras.layers.InputLayer((4,)), tf_keras.layers.Dense(2)])
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"own_training_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def plan(text: str) -> Recipe:
    made = recipe(TASKS.parse({"task": "classification"}, "test"))
    baseline = {**dict(made.baseline), "train": text}
    return made.replace(baseline=BaselineOptions.model_validate(baseline))


@pytest.mark.usefixtures("marks_registered")
def test_it_is_called_with_model_data_and_schedule(module: str, tmp_path: Path) -> None:
    messages: list[str] = []
    store = Store(tmp_path / "exported")

    def trained(text: str) -> Any:
        return train(plan(text), store, lambda event: messages.append(event.message))

    found = trained(f"{module}:train")
    assert found.test.value > 0.9
    assert [epoch["epoch"] for epoch in found.history] == [1]
    assert f"{module}:train trains the model: its code runs as you" in messages
    assert trained(f"{module}:train").folder == found.folder
    with pytest.raises(StepError, match=f"train = {module}:fails: raised RuntimeError: no more"):
        trained(f"{module}:fails")
    with pytest.raises(StepError, match="returned Sequential of other inputs or outputs"):
        trained(f"{module}:other")
    assert 'has no "missing"' in refusal_of(lambda: trained(f"{module}:missing"))
    assert "there is no module" in refusal_of(lambda: trained("nowhere_at_all:train"))


@pytest.mark.quick
def test_it_is_of_a_baseline_that_is_trained() -> None:
    table = {
        "name": "x",
        "data": {"source": "digits"},
        "export": [{"format": "tflite", "precision": "int8"}],
    }
    for baseline, message in (
        ({"train": "m:f", "model": "a.keras"}, "train is for a baseline that is trained"),
        ({"train": "m:f", "backbone": {"model": "a.keras", "freeze": 3}}, "freeze is for edgecv's"),
        ({"train": "no function"}, "module:name"),
    ):
        assert message in refusal_of(lambda b=baseline: parse_recipe({**table, "baseline": b}, "r"))
