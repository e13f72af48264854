"""Keras models and arrays in memory go through the same door as files."""

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgecv
from edgecv.api import FUNCTIONS
from edgecv.api.models import is_keras_model
from edgecv.core.command_options import parse_flags
from edgecv.core.errors import InputError
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.reports.json_file import to_table

LABELS = np.arange(60) % 3
IMAGES = (
    np.random.default_rng(0).integers(0, 60, (60, 8, 8, 3)) + LABELS[:, None, None, None] * 80
).astype(np.uint8)
TEST = IMAGES[30:], LABELS[30:]
ALL = IMAGES[:30], LABELS[:30], *TEST


def own_loss(truth: Any, guess: Any) -> Any:
    return (truth - guess) ** 2


def network(library: str) -> Any:
    from edgecv.models.tf import load_tensorflow

    _, keras = load_tensorflow()
    if library == "keras":
        import keras  # type: ignore[no-redef]
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ],
        name=f"net_{library}",
    )
    model.compile("adam", own_loss)  # What a model was trained with is not needed here.
    return model


def test_a_training_starts_from_a_model_in_memory(tmp_path: Path) -> None:
    """Its file is kept in the store, by its weights: a second call trains nothing again."""
    options: dict[str, Any] = {"data": ALL, "epochs": 1, "freeze": "all", "output": tmp_path}
    found = edgecv.train(from_model=network("tf_keras"), **options)
    kept = Path(found.architecture["backbone"]["model"])
    assert kept.is_file()
    assert kept.is_relative_to(tmp_path)
    assert found.test.images == 30
    assert edgecv.train(from_model=kept, **options).folder == found.folder


def test_what_is_wrong_with_a_model_in_memory_is_named(tmp_path: Path) -> None:
    """Nothing is kept of a model that is not used; of a teacher its file is."""
    model, options = network("tf_keras"), {"data": ALL, "output": tmp_path}
    with pytest.raises(InputError, match=r"^from_model: cannot be given beside model"):
        edgecv.compress(model, from_model=model, **options)
    assert not list(tmp_path.rglob("*.keras"))
    with pytest.raises(InputError, match=r"^from_model: cannot be given beside model"):
        edgecv.search(model, from_model=model, max_drop=5, trials=1, **options)
    with pytest.raises(InputError, match=r"^teacher: is named, and no technique learns from one"):
        edgecv.compress(model, teacher=model, **options)


@pytest.mark.parametrize("library", ["tf_keras", "keras"])
def test_a_model_and_arrays_are_taken_as_they_are(library: str, tmp_path: Path) -> None:
    model, options = network(library), {"quantize": "none", "formats": "tflite"}
    assert is_keras_model(model)
    before = [weight.numpy().tobytes() for weight in model.weights]
    report = edgecv.compress(model, data=TEST, output=tmp_path, **options)
    assert [weight.numpy().tobytes() for weight in model.weights] == before
    assert report.name == f"arrays-net_{library}-none"
    assert {gate.outcome for gate in report.gates if gate.name != "proof"} == {"passed"}
    assert report.outcome == "inconclusive"  # The network is not trained.
    assert report.recipe["data"]["source"] == "arrays"
    kept = Path(report.recipe["baseline"]["model"])
    assert kept.is_file()
    assert kept.is_relative_to(tmp_path)
    html = report._repr_html_()
    assert html is not None
    assert f"{report.comparisons[0].artifact.bytes:,}" in html
    folder = tmp_path / report.name
    assert json.loads((folder / "report.json").read_text()) == json.loads(
        json.dumps(to_table(report))
    )
    edgecv.compress(model, data=TEST, output=tmp_path, force=True, **options)
    assert len(list((tmp_path / ".store" / "given").iterdir())) == 1

    with pytest.raises(InputError, match=r"data: the images were arrays in a Python program"):
        edgecv.validate(folder)
    again = edgecv.validate(folder / "float32.tflite", data=TEST, baseline=model)
    assert again.baseline is not None
    assert again.baseline.path == f"net_{library}.keras"
    assert again.comparisons[0].agreement == 1
    found = edgecv.inspect(model)
    assert found.path == f"net_{library}.keras"
    assert found.contents.parameters == model.count_params()


def test_arrays_without_training_images_cannot_calibrate() -> None:
    with pytest.raises(InputError, match=r'data: .*quantize="none", float16') as caught:
        edgecv.compress("model.keras", data=TEST)
    assert "--" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"data": (IMAGES / 255.0, LABELS)}, r"data: x_test holds float64.*multiply by 255"),
        ({"data": 3}, r"data: 1 array was given"),
        ({"data": TEST, "quantize": "int9"}, r'quantize: "int9".*did you mean "int8"'),
        ({"data": ALL, "quantize": "none", "io": "int8"}, r'io: .*or give quantize="int8"'),
        ({"data": ALL, "drop_on": "bound"}, r"drop_on: goes with max_drop=; give max_drop= too"),
        ({"data": ALL, "max_drp": 1}, r'max_drp: there is no such parameter.*"max_drop"'),
        ({"data": ALL, "calibration_images": 99}, r"calibration_images: 99 asked for"),
        ({"data": ALL, "skip_bad_images": True}, r"skip_bad_images=True: arrays holds no image"),
        ({"data": "nowhere"}, r'data: "nowhere" is neither a data set nor a file'),
        ({"data": ALL}, r"model: there is no file model.keras"),
    ],
)  # fmt: skip
def test_errors_speak_of_parameters(options: dict[str, Any], expected: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=expected):
        edgecv.compress("model.keras", output=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_where_a_parameter_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="quantize: "):
        edgecv.compress(network("tf_keras"), data=ALL, quantize="int9", output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (edgecv.compress, {"unlabelled": IMAGES, "distil": True, "quantize": "bogus"}),
        (edgecv.compress, {"unlabelled": IMAGES, "distil": True, "epochs": -1}),
        (edgecv.compress, {"unlabelled": IMAGES / 255, "distil": True, "teacher": True}),
        (edgecv.compress, {"teacher": True}),
        (edgecv.search, {"trials": -1, "teacher": True}),
        (edgecv.search, {"quantize": "bogus", "max_drop": 1}),
    ],
)
def test_no_array_and_no_teacher_is_written_where_a_parameter_is_wrong(
    function: Any, options: dict[str, Any], tmp_path: Path
) -> None:
    """Gigabytes of arrays were, and then an option was refused."""
    given = {**options, "teacher": network("tf_keras")} if "teacher" in options else options
    with pytest.raises(InputError):
        function(network("tf_keras"), data=ALL, output=tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("function", [edgecv.compress, edgecv.search])
def test_no_output_is_no_folder_of_that_name(
    function: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"^output: None; accepted: text$"):
        function("x.keras", data=ALL, unlabelled=IMAGES, output=None)
    assert not list(tmp_path.iterdir())


def test_a_model_that_cannot_be_saved_is_refused() -> None:
    class Model:
        name = "broken"

        def save(self, path: Any) -> None:
            raise ValueError("no such layer")

    Model.__module__ = "keras.src.models.model"
    with pytest.raises(InputError, match="model: the model cannot be saved: ValueError: no such"):
        edgecv.inspect(Model())


@pytest.mark.parametrize(
    ("function", "options", "expected"),
    [
        (edgecv.validate, {"labels": ["a", "b"]}, r"^labels: \['a', 'b'\]; accepted: a path$"),
        (edgecv.validate, {"labels": np.array(["a", "b"])}, "^labels: .*; accepted: a path$"),
        (edgecv.validate, {"paths": None}, "^paths: None; accepted: one or several, as a list"),
        (edgecv.doctor, {"path": None}, "^path: None; accepted: a path$"),
        (edgecv.gate, {"run": None}, "^run: None; accepted: a path$"),
        (edgecv.validate, {"paths": ["a.tflite", ""]}, "^paths: is empty; give a value"),
        (edgecv.compress, {"quantize": ["int8", ""]}, "^quantize: is empty; give a value"),
    ],
)
def test_values_of_other_types_are_refused_in_plain_words(
    function: Any, options: dict[str, Any], expected: str
) -> None:
    first = {edgecv.doctor: "path", edgecv.gate: "run", edgecv.compress: "model"}
    with pytest.raises(InputError, match=expected):
        function(**{first.get(function, "paths"): "x.tflite", **options})


def test_a_number_of_numpy_is_a_number() -> None:
    given = {"epochs": np.int64(3), "seed": np.uint8(1), "max_drop": np.float32(0.5)}
    found = parse_flags(CompressOptions, given)
    assert (found.epochs, found.seed, found.max_drop) == (3, 1, 0.5)


def test_files_of_bench_and_doctor_are_parameters(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="paths: there is no file"):
        edgecv.bench(tmp_path / "a.tflite")
    with pytest.raises(InputError, match="paths: there is no"):
        edgecv.validate(tmp_path / "a.tflite", data=TEST)
    (tmp_path / "a.tflite").write_bytes(b"\0" * 8)
    with pytest.raises(InputError, match="baseline: needs images; give data= too"):
        edgecv.doctor(tmp_path / "a.tflite", baseline=tmp_path / "a.tflite")
    with pytest.raises(InputError, match=r"budget: "):
        edgecv.bench(tmp_path / "a.tflite", budget=0.0)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_every_parameter_is_documented(function: Any) -> None:
    text = inspect.getdoc(function) or ""
    for name in inspect.signature(function).parameters:
        assert f"{name}: " in text
    assert text.count("Args:") <= 1
    for part in ("Raises InputError", "Example: ``edgecv."):
        assert part in text
