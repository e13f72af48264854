"""A user's model is adapted once: pixels in, probabilities out, and what was done is said."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import SHARED
from PIL import Image

from edgecv.analysis.options import ValidateOptions, validate
from edgecv.core.errors import InputError
from edgecv.core.events import Event
from edgecv.core.input_spec import input_spec_of
from edgecv.core.report import Report
from edgecv.formats.model_file import ModelFile
from edgecv.models.tf import load_tensorflow
from edgecv.pipeline.conversion import Converter
from edgecv.pipeline.preprocessing import choose_preprocessing
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.run import run
from edgecv.pipeline.user_models.adapted_file import adapt_file, reader_of
from edgecv.reports.verdict import verdict_line
from edgecv.system.storage import Store


def trained(output: Path) -> Any:
    _, keras = load_tensorflow()
    return keras.models.load_model(output / "main" / "baseline.keras", compile=False)


def of_fractions(output: Path, *, ends_in_softmax: bool) -> Any:
    """Return the trained network as people save it: it takes 0..1, by its first convolution."""
    _, keras = load_tensorflow()
    whole = trained(output)
    image = keras.layers.Input((32, 32, 3), name="image")
    tensor = image
    for layer in whole.layers[1:] if ends_in_softmax else whole.layers[1:-1]:
        tensor = type(layer).from_config(layer.get_config())(tensor)
    model = keras.Model(image, tensor)
    for layer in model.layers[1:]:
        layer.set_weights(whole.get_layer(layer.name).get_weights())
    kernel, bias = model.get_layer("conv_1").get_weights()
    # pixel / 128 - 1 is fraction * 255 / 128 - 1.
    model.get_layer("conv_1").set_weights([kernel * 255 / 128, bias - kernel.sum(axis=(0, 1, 2))])
    return model


def compress(path: Path, output: Path, name: str, **flags: Any) -> tuple[Report, list[str]]:
    said: list[str] = []

    def listen(event: Event) -> None:
        said.append(event.message)

    plan = CompressOptions(model=str(path), data="digits", formats=("tflite",), name=name, **flags)
    return run(plan.to_recipe(), Store(output), on_event=listen, force=True), said


def test_fractions_and_logits_become_pixels_and_probabilities(output: Path, tmp_path: Path) -> None:
    path = tmp_path / "fractions.h5"
    of_fractions(output, ends_in_softmax=False).save(path)
    report, _ = compress(path, output, "adopted", preprocess="0..1")
    assert report.baseline is not None
    pixels = run(
        CompressOptions(
            data="digits", epochs=3, formats=("tflite",), name="own-pixels"
        ).to_recipe(),
        Store(output),
    )
    assert pixels.baseline is not None
    assert report.baseline.value == pytest.approx(pixels.baseline.value, abs=0.01)
    assert any("logits: a softmax was added after logits" in note for note in report.notes)
    assert any("folded into conv_1, exactly" in note for note in report.notes)
    candidate = next(each for each in report.comparisons if not each.is_twin)
    assert candidate.input.type == "int8"
    assert candidate.value == pytest.approx(report.baseline.value, abs=0.03)
    again, _ = compress(path, output, "adopted", preprocess="0..1")
    assert again.notes == report.notes


def test_a_model_that_is_trained_on_keeps_the_size_of_its_weights(
    output: Path, tmp_path: Path
) -> None:
    """A folded kernel is 255 times smaller, and the first step of a training destroys it."""
    path = tmp_path / "fractions.keras"
    network = of_fractions(output, ends_in_softmax=True)
    network.save(path)
    report, _ = compress(path, output, "trained-on", preprocess="0..1", prune=0.2, epochs=1)
    assert any("a layer of its own in front of the model" in note for note in report.notes)
    _, keras = load_tensorflow()
    baseline = keras.models.load_model(output / "trained-on" / "baseline.keras", compile=False)
    kernel, before = (each.get_layer("conv_1").get_weights()[0] for each in (baseline, network))
    assert np.array_equal(kernel, before)
    assert report.baseline is not None
    assert report.control is not None
    assert report.control.scores[0].value > report.baseline.value - 0.05


def test_wrong_pixels_end_the_run_and_the_right_ones_are_named(
    output: Path, tmp_path: Path
) -> None:
    path = tmp_path / "fractions.keras"
    of_fractions(output, ends_in_softmax=True).save(path)
    with pytest.raises(InputError, match=r"other pixels than 0\.\.255.* give --preprocess 0\.\.1,"):
        compress(path, output, "wrong-pixels")
    assert not (output / "wrong-pixels").exists()


def test_a_choice_that_was_asked_for_is_kept_and_a_better_one_is_said(
    output: Path, tmp_path: Path, converter: Converter
) -> None:
    path = tmp_path / "fractions.keras"
    of_fractions(output, ends_in_softmax=True).save(path)
    recipe = CompressOptions(model=str(path), data="digits").to_recipe()
    data = recipe.data.load((32, 32, 3), 0, lambda done, total: None)
    store = Store(tmp_path / "exported")
    for asked, notes in (("-1..1", 1), ("0..1", 0)):
        file = ModelFile.at(path, input_spec=input_spec_of(asked))
        reader = reader_of(adapt_file(file, store, converter))
        choice = choose_preprocessing(reader, data, recipe.task, file.input_spec.preprocess)
        assert choice.preprocess is None
        assert len(choice.notes) == notes
    assert not (tmp_path / "exported").exists()


def test_a_model_that_rescales_itself_is_left_alone(output: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.keras"
    trained(output).save(path)
    report, said = compress(path, output, "own-rescaling")
    assert any("rescale (Rescaling) of the model itself" in line for line in said)
    assert (output / "own-rescaling" / "baseline.keras").read_bytes() == path.read_bytes()
    assert report.outcome == "passed"
    with pytest.raises(InputError, match="rescales its pixels itself"):
        compress(path, output, "twice", preprocess="0..1")


def of_statistics(tmp_path: Path, images: Any) -> Path:
    """Return a model whose batch normalization has seen fractions, as after a training."""
    _, keras = load_tensorflow()
    keras.utils.set_random_seed(3)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((16, 16, 3)),
            layers.Conv2D(8, 3),
            layers.BatchNormalization(momentum=0.0),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model(images.astype("float32") / 255, training=True)
    path = tmp_path / "fractions.h5"
    model.save(path)
    return path


def test_without_labels_the_statistics_of_the_model_tell_its_pixels(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    images = (random.random((40, 16, 16, 3)) * random.random((40, 1, 1, 1)) * 255).astype(np.uint8)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")
    path = of_statistics(tmp_path, images)
    plan = CompressOptions(
        model=str(path), data=str(folder), formats=("tflite",), name="statistics"
    )
    report = run(plan.to_recipe(), Store(tmp_path / "exported"))
    assert any("0..1 was taken, as none was given" in note for note in report.notes)
    assert report.recipe["baseline"]["preprocess"] == "0..1"
    candidate = next(each for each in report.comparisons if not each.is_twin)
    assert (candidate.value, report.baseline and report.baseline.value) == (None, None)
    assert candidate.agreement is not None
    assert report.data.has_labels is False
    assert "accuracy unknown" in verdict_line(report)
    kept = CompressOptions(**{**plan.model_dump(), "preprocess": "0..255", "name": "as-they-are"})
    report = run(kept.to_recipe(), Store(tmp_path / "exported"))
    assert not any("was taken" in note for note in report.notes)
    run_folder = tmp_path / "exported" / "as-they-are"
    # The float32 twin says what the Keras model says, and is opened sooner.
    again = validate(ValidateOptions(paths=(run_folder,), baseline=run_folder / "float32.tflite"))
    assert [each.agreement for each in again.comparisons] == [
        each.agreement for each in report.comparisons
    ]


@pytest.mark.slow
def test_a_model_that_nobody_here_made_goes_through_without_labels(tmp_path: Path) -> None:
    model = SHARED / "models" / "vww_96.h5"
    if not model.exists():
        pytest.skip(f"needs {model}, which is not part of the project")
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(60):
        small = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        small.resize((96, 96)).save(folder / f"{number}.png")
    plan = CompressOptions(model=str(model), data=str(folder), preprocess="0..1", name="vww")
    report = run(plan.to_recipe(), Store(tmp_path / "exported"))
    assert report.outcome == "passed"
    for each in report.comparisons:
        assert each.value is None
        assert each.agreement is not None
        assert each.agreement > 0.9
        assert each.mean_probability_difference is not None
