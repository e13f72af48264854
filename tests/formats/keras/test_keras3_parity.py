"""The rebuilt model against the original in Keras 3 itself, which runs in a child process."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.core.errors import InputError, StepError
from edgecv.core.input_spec import InputSpec
from edgecv.formats.keras.importer import KerasFile, load, load_with_parity
from edgecv.formats.keras.keras3 import load as _keras3
from edgecv.formats.keras.keras3 import original as _keras3_original
from edgecv.formats.keras.keras3.original import OriginalOutputs
from edgecv.formats.keras.keras3.parity import (
    _difference,
    _differences,
    _largest,
    keras3_parity,
    run_rebuilt,
)
from edgecv.formats.tflite.exporter import TFLite
from edgecv.formats.trust import NO_TRUST
from edgecv.models.tf import load_tensorflow
from edgecv.pipeline.conversion.adapt_model import adapt
from edgecv.system.isolation import ModelClient, process

SHAPE = (12, 12, 3)


def test_a_load_says_how_near_it_is(
    small: Any, save: Callable[[Any], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    path = save(small)
    capfd.readouterr()
    model, parity = load_with_parity(path)
    assert not KerasFile().keeps_its_format(path)
    assert parity is not None
    assert parity.images == 16
    assert parity.largest_difference < 1e-6
    assert parity.layers == len(small.layers)
    assert parity.policies == ()
    assert model.get_layer("classes").units == 3
    assert capfd.readouterr() == ("", ""), "the child's words are not the user's business"


def test_a_wrong_weight_is_noticed_and_its_layer_named(
    keras3: Any, save: Callable[[Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = keras3.layers
    entering = keras3.Input(SHAPE)
    given = layers.Conv2D(4, 3, activation="relu", name="right")(entering)
    inner = keras3.Sequential(
        [layers.Input((10, 10, 4)), layers.Conv2D(4, 3, name="wrong"), layers.ReLU()], name="inner"
    )
    given = layers.Flatten()(inner(given))
    path = save(keras3.Model(entering, layers.Dense(3, activation="softmax")(given)))
    rebuild = _keras3.rebuild

    def swapped(*arguments: Any) -> Any:
        rebuilt = rebuild(*arguments)
        layer = rebuilt.model.get_layer("inner").get_layer("wrong")
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel[:, :, ::-1], bias])
        return rebuilt

    monkeypatch.setattr(_keras3, "rebuild", swapped)
    _, parity = load_with_parity(path)
    assert parity is not None
    assert "the first layer that differs is inner/wrong" in parity.sentences()[0]
    assert parity.largest_difference < 1e-5, "it is converted as it is"


@pytest.fixture
def untrained(keras3: Any, randomize: Callable[[Any], None], tmp_path: Path) -> tuple[Any, Path]:
    """Return a classifier whose answers are nearly the same for all images, and its file."""
    layers = keras3.layers
    entering = keras3.Input(SHAPE)
    given = layers.Conv2D(4, 3, name="kernel")(layers.Rescaling(1 / 255)(entering))
    given = layers.Dense(3, name="classes")(layers.GlobalAveragePooling2D()(given))
    model = keras3.Model(entering, layers.Softmax()(given))
    randomize(model)
    kernel, bias = model.get_layer("classes").get_weights()
    model.get_layer("classes").set_weights([kernel * 1e-3, bias])
    path = tmp_path / "untrained.keras"
    model.save(path)
    return model, path


def swap_channels(layer: Any) -> None:
    """Make the weights of a layer wrong: the colours of the first kernel."""
    weights = layer.get_weights()
    number = next(n for n, each in enumerate(weights) if each.ndim == 4)
    weights[number] = weights[number][:, :, ::-1]
    layer.set_weights(weights)


def wrongly_rebuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    rebuild = _keras3.rebuild

    def wrong(*arguments: Any) -> Any:
        rebuilt = rebuild(*arguments)
        swap_channels(rebuilt.model.get_layer("kernel"))
        return rebuilt

    monkeypatch.setattr(_keras3, "rebuild", wrong)


def test_a_wrong_rebuild_reaches_no_file(
    untrained: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Files and their baseline are made from the export, and no technique trains the rebuild."""
    wrongly_rebuilt(monkeypatch)
    original, path = untrained
    adapted = adapt(path, InputSpec(), NO_TRUST)
    assert "the first layer that differs is kernel" in adapted.facts.untrainable
    images = np.random.default_rng(3).integers(0, 256, (8, *SHAPE)).astype(np.uint8)
    expected = np.asarray(original(images.astype(np.float32)))
    target = tmp_path / "float32.tflite"
    TFLite(precision="float32").export(adapted.model, images[:0], target)
    with ModelClient("litert", 1) as worker:
        found = worker.predict(target, images).only
    assert np.abs(found - expected).max() < 0.01 * np.ptp(expected, axis=0).max()


def test_a_wrong_export_is_refused_though_all_outputs_are_nearly_the_same(
    untrained: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrongly_rebuilt(monkeypatch)
    network_in = _keras3.network_in

    def wrong(*arguments: Any) -> Any:
        network = network_in(*arguments)
        swap_channels(network.layers[-1])
        return network

    monkeypatch.setattr(_keras3, "network_in", wrong)
    with pytest.raises(InputError, match=r"nor be converted as it is.* differs from the original"):
        load(untrained[1])


@pytest.mark.slow
def test_a_layer_that_means_something_else_is_noticed(keras3: Any, save: Any) -> None:
    """RandomCrop leaves images as they are at inference in Keras 3, and resizes them in 2."""
    layers = keras3.layers
    crop = layers.RandomCrop(8, 8, name="crop")
    path = save(keras3.Sequential([layers.Input(SHAPE), crop, layers.GlobalMaxPooling2D()]))
    _, parity = load_with_parity(path)
    assert parity is not None
    assert "the first layer that differs is crop" in parity.sentences()[0]


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import os; os.kill(os.getpid(), 9)", "Keras 3 could not start: died of SIGKILL"),
        ("import sys; sys.exit('no room')", "Keras 3 could not start: ended with status 1 no room"),
        ("import time; time.sleep(60)", "Keras 3 did not start within 3 s"),
        ("print('hello' * 1000, flush=True)", "Keras 3 could not start: starts with b'hello"),
    ],
)
def test_a_child_that_fails(
    small: Any, save: Any, monkeypatch: pytest.MonkeyPatch, program: str, said: str
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Recorded(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    quick = replace(_keras3_original.PROGRAM, start_s=3.0)
    monkeypatch.setattr(_keras3_original, "PROGRAM", quick)
    monkeypatch.setattr(process, "PROGRAM", program)
    monkeypatch.setattr(process.subprocess, "Popen", Recorded)
    with pytest.raises(StepError, match=said):
        load(save(small))
    assert started[0].returncode is not None, "no child is left behind"


@pytest.mark.parametrize(
    ("errors", "accepted"), [((0, 0), True), ((1, 0), True), ((0, 1), True), ((1, 1), False)]
)
def test_outputs_agree_on_the_range_that_suits_a_model(
    errors: tuple[float, float], accepted: bool
) -> None:
    """A model made for 0..1 may blow up rounding on 0..255, and the other way round."""
    _, keras = load_tensorflow()
    model = keras.Sequential([keras.layers.Input((4, 4, 3)), keras.layers.Flatten()])

    class Fake:
        path = Path("model.keras")

        def __init__(self) -> None:
            self.left = list(errors)

        def ask(self, _: Path, images: Any) -> None:
            self.images = images

        def answer(self) -> OriginalOutputs:
            found = run_rebuilt(model, {}, self.images)
            return OriginalOutputs([found.outputs[0] * (1 + self.left.pop(0))], {})

    original: Any = Fake()
    ends = {"flatten": model.layers[-1]}
    if accepted:
        assert keras3_parity(original, Path(), model, ends).largest_difference == 0
    else:
        with pytest.raises(InputError, match="differs from the original by 1"):
            keras3_parity(original, Path(), model, ends)


def test_differences_are_measured_for_their_size() -> None:
    large = np.array([[1000.0, 2.0]], np.float32)
    assert _largest([large], [large + 0.05]) == (pytest.approx(0.05, abs=1e-4), True)
    assert _largest([large], [large + 0.5])[1] is False
    assert _largest([large / 1000], [large / 1000 + 2e-4])[1] is False
    assert _largest([large], [large[:, :1]]) == (float("inf"), False)
    nothing = np.array([[np.nan, np.inf]], np.float32)
    assert _difference(nothing, nothing) == 0
    assert _difference(nothing, np.zeros_like(nothing)) == float("inf")
    assert _differences({"a": large, "b": large}, {"b": large}) == [("b", 0.0)]
