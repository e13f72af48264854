"""What is fuzzed: how good files of a kind are made and mutated, and who reads them."""

import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.system.isolation import ModelClient, check_hdf5

from . import annotations, attacks, pages, stored
from .mutations import Mutation, of_bytes, of_json, of_members, of_text

REPOSITORY = Path(__file__).parents[3]
IMAGES = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 1), dtype=np.uint8)
SECONDS = 10.0
"""How long a worker may be silent over a tiny file."""


@dataclass(frozen=True)
class Kind:
    """One kind of file. ``read`` is the public entry that a user's file goes through."""

    suffix: str
    seeds: Callable[[], list[bytes]]
    mutate: Mutation
    read: Callable[[Path], object]
    prepare: Callable[[], object] = lambda: None
    """Called in the child before the first mutant: its time is not that of a mutant."""


def _tiny_model(classes: int = 3) -> Any:
    from edgecv.models.tf import load_tensorflow, set_seed

    _, keras = load_tensorflow()
    set_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [
            layers.InputLayer((8, 8, 1), name="image"),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(classes),
            layers.Softmax(),
        ]
    )


def _h5_seeds() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.h5"
        _tiny_model().save(path, include_optimizer=False)
        return [path.read_bytes()]


def _keras_seeds() -> list[bytes]:
    """Return an archive of Keras 2 and one of Keras 3."""
    from edgecv.models.tf import keras_bytes

    of_keras2 = keras_bytes(_tiny_model())
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3, "softmax")]
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return [of_keras2, path.read_bytes()]


def _exported(file_format: str, classes: int = 3) -> list[bytes]:
    from edgecv.core.registry import EXPORTERS

    with tempfile.TemporaryDirectory() as folder:
        contents = []
        for precision in ("float32", "int8"):
            path = Path(folder) / f"{precision}.{file_format}"
            exporter = EXPORTERS.get(file_format, "fuzz")(precision=precision)
            exporter.export(_tiny_model(classes), IMAGES, path)
            contents.append(path.read_bytes())
        return contents


def _recipes() -> list[bytes]:
    return [path.read_bytes() for path in sorted((REPOSITORY / "recipes").glob("*.toml"))]


def _zips() -> list[bytes]:
    import zipfile

    from PIL import Image

    contents = io.BytesIO()
    with zipfile.ZipFile(contents, "w") as archive:
        random = np.random.default_rng(0)
        number = 0
        for split in ("train", "test"):
            for name in ("cat", "dog"):
                for kind in ("PNG", "JPEG", "WebP", "BMP", "PNG"):
                    picture = io.BytesIO()
                    pixels = random.integers(0, 256, (12, 12, 3), dtype=np.uint8)
                    Image.fromarray(pixels).save(picture, kind)
                    archive.writestr(f"{split}/{name}/{number}.{kind.lower()}", picture.getvalue())
                    number += 1
    return [contents.getvalue()]


def _npzs() -> list[bytes]:
    random = np.random.default_rng(0)
    packed = []
    for save in (np.savez, np.savez_compressed):
        contents = io.BytesIO()
        arrays = {
            "x_train": random.integers(0, 256, (40, 8, 8, 1), dtype=np.uint8),
            "y_train": np.arange(40) % 2,
            "x_test": random.integers(0, 256, (10, 8, 8, 1), dtype=np.uint8),
            "y_test": np.arange(10) % 2,
            "class_names": np.array(["cat", "dog"]),
        }
        save(contents, **arrays)
        packed.append(contents.getvalue())
    return packed


def _jsons() -> list[bytes]:
    """Return a report of files that were really measured, the facts of one, and a manifest."""
    from edgecv.analysis.options import ValidateOptions, validate
    from edgecv.reports.json_file import to_table
    from edgecv.system.storage import seal

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data.npz").write_bytes(_npzs()[0])
        model, original = folder / "model.keras", folder / "original.keras"
        _binary_model().save(model)
        _binary_model().save(original)
        data = str(folder / "data.npz")
        options = ValidateOptions(paths=(model,), data=data, baseline=original)
        report = to_table(validate(options))
        artifact = report["comparisons"][0]["artifact"]
        seal(folder)
        manifest = (folder / "manifest.json").read_bytes()
    return [json.dumps(report).encode(), json.dumps(artifact).encode(), manifest]


def _binary_model() -> Any:
    from edgecv.models.tf import load_tensorflow

    layers = load_tensorflow()[1].layers
    return load_tensorflow()[1].Sequential(
        [layers.InputLayer((8, 8, 1)), layers.Flatten(), layers.Dense(2), layers.Softmax()]
    )


@cache
def _worker(runtime: str) -> ModelClient:
    return ModelClient(runtime, threads=1, time_limit_s=SECONDS, memory_limit_bytes=2**30)


def _run(runtime: str) -> Callable[[Path], object]:
    return lambda path: _worker(runtime).predict(path, IMAGES)


def _import(path: Path) -> object:
    from edgecv.formats.lookup import importer_of, input_shape_of
    from edgecv.models.tf import load_tensorflow

    load_tensorflow()[1].backend.clear_session()
    check_hdf5(path)  # As the pipeline does.
    model, _ = importer_of(path).load_with_notes(path)
    return input_shape_of(model, path)


def _load_data(path: Path) -> object:
    from edgecv.datasets.resolve import resolve

    return resolve(str(path)).load((8, 8, 1), 0, lambda done, total: None)


def _read_recipe(path: Path) -> object:
    from edgecv.pipeline.recipe.recipe import load_recipe

    return load_recipe(path).to_toml()


def _read_json(path: Path) -> object:
    """Read it as each file that edgecv finds again: as a report, as facts, as a manifest."""
    from edgecv.core.errors import EdgecvError
    from edgecv.pipeline.recipe_table import to_json, to_markdown
    from edgecv.reports.json_file import read_artifact, read_report
    from edgecv.system.storage import check_seal

    run = path.parent / "run"
    run.mkdir(exist_ok=True)
    (run / "manifest.json").write_bytes(path.read_bytes())
    refusals = []
    for read in (
        lambda: [show([read_report(path)]) for show in (to_json, to_markdown)],
        lambda: read_artifact(path),
        lambda: check_seal(run),
    ):
        try:
            return read()
        except EdgecvError as error:
            refusals.append(error)
    raise refusals[0]


def _diagnose(path: Path) -> object:
    """Read the structure of a file as ``doctor`` does, and write it for other programs."""
    log = Path(f"{path}.sarif")
    code = attacks.checked_command(["doctor", str(path), "--sarif", str(log)])
    attacks.refused_or(code)
    json.loads(log.read_bytes())
    log.unlink()
    return code


def _pack(path: Path) -> object:
    packed = path.with_name(f"mutant-packed{path.suffix}")
    code = attacks.checked_command(["pack", str(path), "--output", str(packed), "--force"])
    packed.unlink(missing_ok=True)
    attacks.refused_or(code)
    return code


def _inspect(path: Path) -> object:
    from edgecv.analysis.inspection.read_file import inspect
    from edgecv.analysis.inspection.text import to_text

    return to_text(inspect(path), 100)


KINDS = {
    "tflite": Kind(".tflite", lambda: _exported("tflite"), of_bytes, _run("litert")),
    "onnx": Kind(".onnx", lambda: _exported("onnx"), of_bytes, _run("onnxruntime")),
    "inspect-tflite": Kind(".tflite", lambda: _exported("tflite"), of_bytes, _inspect),
    "inspect-onnx": Kind(".onnx", lambda: _exported("onnx"), of_bytes, _inspect),
    "doctor-tflite": Kind(".tflite", lambda: _exported("tflite"), of_bytes, _diagnose),
    "doctor-onnx": Kind(".onnx", lambda: _exported("onnx"), of_bytes, _diagnose),
    "pack": Kind(".tflite", lambda: _exported("tflite"), of_bytes, _pack),
    "keras": Kind(".keras", _keras_seeds, of_members({".json": of_json}), _import),
    "h5": Kind(".h5", _h5_seeds, of_bytes, _import),
    "recipe": Kind(".toml", _recipes, of_text, _read_recipe),
    "zip": Kind(".zip", _zips, of_members({}), _load_data),
    "npz": Kind(".npz", _npzs, of_members({}), _load_data),
    "annotations": Kind(
        ".bin", annotations.seeds, annotations.of_annotations, annotations.read_annotations
    ),
    "json": Kind(".json", _jsons, of_json, _read_json),
    "report": Kind(
        ".json", attacks.reports, attacks.of_report, attacks.read_edited_report, attacks.locks
    ),
    "lock": Kind(
        ".lock", attacks.locks, attacks.of_lock, attacks.read_edited_lock, attacks.measured
    ),
    "names": Kind(".json", attacks.plans, attacks.of_name, attacks.read_plan, attacks.locks),
    "places": Kind(".json", attacks.plans, attacks.of_place, attacks.read_plan, attacks.locks),
    "pages": Kind(".bin", pages.seeds, pages.of_beside, pages.read_beside, pages.seeds),
    "search": Kind(".bin", stored.searches, stored.of_stored, stored.read_search, stored.searches),
    "cache": Kind(".bin", stored.cache_entries, stored.of_stored, stored.read_entry),
    "draft": Kind(".bin", stored.drafts, stored.of_stored, stored.read_draft),
    "scans": Kind(".jpg", attacks.pictures, attacks.of_scans, attacks.read_picture),
    "configuration": Kind(".json", attacks.configurations, of_json, attacks.read_configuration),
}
