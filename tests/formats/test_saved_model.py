"""SavedModel folders: converted and quantized with trust, and never trained."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.analysis.options import ValidateOptions, validate
from edgecv.core.errors import InputError, UnsuitableFile
from edgecv.core.input_spec import input_spec_of
from edgecv.core.registry import EXPORTERS
from edgecv.formats.keras.image_input import fitted
from edgecv.formats.keras.importer import load
from edgecv.formats.saved_model import inspect
from edgecv.formats.saved_model.frozen_graph import graph_of
from edgecv.formats.saved_model.importer import SavedModelFolder
from edgecv.formats.trust import Trust
from edgecv.models.tf import load_tensorflow
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.run import run
from edgecv.system.storage import Store

SHAPE = (32, 32, 3)
TRUSTED = Trust(everything=True)
PARAMETERS = 3 * 3 * 3 * 4 + 4 + 4 * 4 + 4 * 10 + 10
OF_KERAS_3 = """
import sys, keras
layers = keras.layers
model = keras.Sequential([
    layers.Input((32, 32, 3)), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU(),
    layers.GlobalAveragePooling2D(), layers.Dense(10)])
model.export(sys.argv[1], verbose=False)
"""


def network(*, size: int | None = 32, outputs: int = 1) -> Any:
    _, keras = load_tensorflow()
    layers = keras.layers
    entering = layers.Input((size, size, 3), name="picture")
    given = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, 3)(entering)))
    given = layers.GlobalAveragePooling2D()(given)
    return keras.Model(
        entering, [layers.Dense(10, name=f"head_{n}")(given) for n in range(outputs)]
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a folder of each maker."""
    root = tmp_path_factory.mktemp("saved")
    made = {name: root / name for name in ("save", "export", "keras3")}
    network().save(made["save"], save_format="tf")
    network().export(made["export"])
    environment = {key: each for key, each in os.environ.items() if key != "TF_USE_LEGACY_KERAS"}
    subprocess.run(
        [sys.executable, "-c", OF_KERAS_3, str(made["keras3"])],
        env=environment,
        check=True,
        capture_output=True,
    )
    return made


def test_several_outputs_keep_their_names(tmp_path: Path) -> None:
    tensorflow, _ = load_tensorflow()
    network(outputs=11).save(tmp_path / "many", save_format="tf")
    model = SavedModelFolder().load(tmp_path / "many", TRUSTED)
    images = np.random.default_rng(0).uniform(0, 255, (4, *SHAPE)).astype(np.float32)
    serving = tensorflow.saved_model.load(str(tmp_path / "many")).signatures["serving_default"]
    expected = serving(tensorflow.constant(images))
    model.save(tmp_path / "kept.keras")
    for each in (model, load(tmp_path / "kept.keras")):
        found = each(images)
        assert sorted(found) == sorted(expected)
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, atol=1e-5)


@pytest.mark.parametrize("maker", ["save", "export", "keras3"])
def test_it_gives_what_its_serving_function_gives(
    maker: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    tensorflow, _ = load_tensorflow()
    model = SavedModelFolder().load(folders[maker], TRUSTED)
    images = np.random.default_rng(0).uniform(0, 255, (4, *SHAPE)).astype(np.float32)
    serving = tensorflow.saved_model.load(str(folders[maker])).signatures["serving_default"]
    (expected,) = serving(tensorflow.constant(images)).values()
    np.testing.assert_allclose(model.predict(images, verbose=0), expected.numpy(), atol=1e-5)
    assert model.count_params() == PARAMETERS
    model.save(tmp_path / "kept.keras")
    kept = load(tmp_path / "kept.keras")
    np.testing.assert_allclose(kept.predict(images, verbose=0), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("maker", ["save", "export", "keras3"])
def test_multiply_accumulates_are_known_by_declared_shapes(
    maker: str, folders: dict[str, Path]
) -> None:
    macs = 30 * 30 * 4 * 27 + 4 * 10
    assert inspect.read(folders[maker]).macs == macs
    assert SavedModelFolder().load(folders[maker], TRUSTED).layers[-1].macs() == macs


def test_an_image_may_be_several_rows_of_a_product(tmp_path: Path) -> None:
    """A dense layer on axes of an image makes them rows, by shapes that are open twice."""
    _, keras = load_tensorflow()
    layers = keras.layers
    image = layers.Input((8, 8, 3))
    tokens = layers.Dense(5)(layers.Reshape((16, 6))(layers.Conv2D(6, 2, strides=2)(image)))
    attention = layers.MultiHeadAttention(2, 4)(tokens, tokens)
    keras.Model(image, layers.Dense(3)(layers.Flatten()(attention))).export(tmp_path)
    ends = 16 * 6 * 12 + 16 * 6 * 5 + 16 * 5 * 3
    projections, products = 4 * 16 * 5 * 8, 2 * 16 * 16 * 8
    assert inspect.read(tmp_path).macs == ends + projections + products
    frozen = SavedModelFolder().load(tmp_path, TRUSTED).layers[-1]
    assert frozen.macs() == ends + projections + products


def flags(folder: Path, **options: Any) -> CompressOptions:
    return CompressOptions(model=str(folder), data="digits", **options)


def test_a_run_from_a_folder(folders: dict[str, Path], tmp_path: Path) -> None:
    store = Store(tmp_path / "exported")
    no_limits = {"max_drop": "none", "max_class_drop": "none"}  # Its weights are random.
    plan = flags(
        folders["keras3"], trust_model=True, preprocess="imagenet", name="folder", **no_limits
    )
    report = run(plan.to_recipe(), store)
    assert {each.artifact.path for each in report.comparisons} == {
        f"{precision}.{kind}" for precision in ("float32", "int8") for kind in ("tflite", "onnx")
    }
    twins = [each for each in report.comparisons if each.is_twin]
    assert all(each.agreement == 1 for each in twins)
    assert report.baseline is not None
    assert report.baseline.parameters == PARAMETERS
    said = " ".join(report.notes)
    for words in ("--trust-model", "no layers to train", "a softmax was added", "in front"):
        assert words in said
    again = validate(ValidateOptions(paths=(tmp_path / "exported" / "folder",)))
    short = {each.name for each in again.gates if each.outcome != "passed"}
    assert short == {"proof"}, "what came of it needs no trust any more; the network is untrained"


def test_it_needs_trust_before_anything_starts(folders: dict[str, Path], tmp_path: Path) -> None:
    store = Store(tmp_path / "exported")
    with pytest.raises(InputError, match=r"is a SavedModel: it can write files.*--trust-model"):
        run(flags(folders["save"]).to_recipe(), store)
    with pytest.raises(InputError, match=r"no layers to train: prune, qat.*\.keras or"):
        run(flags(folders["save"], trust_model=True, prune="0.5", qat=True).to_recipe(), store)
    assert not store.root.exists()


def test_a_folder_is_the_baseline_of_a_file_where_it_is_trusted(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "own.tflite"
    exporter = EXPORTERS.get("tflite", "test")(precision="float32")
    exporter.export(SavedModelFolder().load(folders["save"], TRUSTED), np.empty((0, *SHAPE)), path)
    folder = shutil.copytree(folders["save"], tmp_path / "folder")
    options = ValidateOptions(paths=(path,), data="digits", baseline=folder, preprocess="-1..1")
    with pytest.raises(InputError, match=r"is a SavedModel: it can write files.*--trust-model"):
        validate(options)
    report = validate(options.model_copy(update={"trust_model": True}))
    assert [each.agreement for each in report.comparisons] == [1.0]
    assert {each.name for each in report.gates if each.outcome == "failed"} == set()
    os.mkfifo(folder / "variables/waits")
    with pytest.raises(InputError, match="is a FIFO"):
        validate(options.model_copy(update={"trust_model": True}))


def refused(model: Any, folder: Path) -> str:
    model.export(folder)
    with pytest.raises(InputError) as caught:
        SavedModelFolder().load(folder, TRUSTED)
    return str(caught.value)


def test_what_cannot_be_taken(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "saved_model.pb").write_bytes(b"hello")
    with pytest.raises(InputError, match="TensorFlow cannot read it"):
        SavedModelFolder().load(tmp_path / "bad", TRUSTED)


def test_an_open_size_is_asked_for(tmp_path: Path) -> None:
    tensorflow, _ = load_tensorflow()
    original, folder = network(size=None), tmp_path / "open"
    original.export(folder)
    model = SavedModelFolder().load(folder, TRUSTED)
    with pytest.raises(UnsuitableFile, match="give --input-size HEIGHTxWIDTH"):
        fitted(model, input_spec_of(), folder)
    changed, _ = fitted(model, input_spec_of(input_size="24x32"), folder)
    assert changed.inputs[0].shape[1:] == (24, 32, 3)
    images = np.random.default_rng(0).uniform(0, 255, (4, 24, 32, 3)).astype(np.float32)
    expected = original(tensorflow.constant(images)).numpy()
    np.testing.assert_allclose(changed.predict(images, verbose=0), expected, atol=1e-4)


def module_of(tensorflow: Any, act: Any) -> Any:
    module = tensorflow.Module()
    image = tensorflow.TensorSpec((None, *SHAPE), tensorflow.float32, name="image")
    module.serve = tensorflow.function(act, input_signature=[image])
    return module


def test_a_graph_that_does_more_than_compute(tmp_path: Path) -> None:
    """Trusted or not: what is kept of a folder, and loaded ever after, only computes."""
    tensorflow, _ = load_tensorflow()
    marker = tmp_path / "pwned"

    def act(image: Any) -> Any:
        tensorflow.io.write_file(str(marker), "hello")
        return tensorflow.reduce_mean(image, (1, 2))

    folder = tmp_path / "writes"
    module = module_of(tensorflow, act)
    tensorflow.saved_model.save(module, str(folder), signatures=module.serve)
    with pytest.raises(InputError, match="its graph holds WriteFile"):
        SavedModelFolder().load(folder, TRUSTED)
    assert not marker.exists()


def test_two_signatures_are_named(tmp_path: Path) -> None:
    tensorflow, _ = load_tensorflow()
    module = module_of(tensorflow, lambda image: tensorflow.reduce_mean(image, (1, 2)))
    folder = str(tmp_path / "two")
    tensorflow.saved_model.save(module, folder, signatures={"a": module.serve, "b": module.serve})
    with pytest.raises(InputError, match="has the signatures a, b; accepted: one, called serving"):
        SavedModelFolder().load(Path(folder), TRUSTED)


@pytest.mark.parametrize("text", ["!", "aGVsbG8gd29ybGQ="])
def test_a_damaged_graph(text: str) -> None:
    with pytest.raises(InputError, match="holds a damaged graph"):
        graph_of(text, "layer")
