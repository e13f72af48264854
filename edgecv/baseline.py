"""The original model: a file that the user brings, or an architecture trained once and kept."""

import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.contracts import Technique
from edgecv.errors import InputError
from edgecv.recipe import Recipe
from edgecv.records import Dataset, Event, Images, Predictions, Shape, Split
from edgecv.registry import ARCHITECTURES, DATASETS, IMPORTERS
from edgecv.reports.curves import write_curves
from edgecv.store import Store, content_key, file_sha256, write_bytes, write_json
from edgecv.trust import NO_TRUST, Trust

OnEvent = Callable[[Event], None]
MODEL = "model.keras"
STAGE_VERSION = 1


@dataclass(frozen=True)
class Original:
    """A baseline on disk. ``sha256`` is of the model file: same weights, same hash."""

    path: Path
    sha256: str
    trust: Trust = NO_TRUST
    """What may be in the file: as in the user's own, where it was made from that."""

    def load(self) -> Any:
        """Return the tf-keras model."""
        return importer_of(self.path).load(self.path, self.trust)


@dataclass(frozen=True)
class Reference:
    """What the baseline says of some images: float32 (N, K) probabilities."""

    predictions: Predictions
    parameters: int


Predict = Callable[[Original, Images], tuple[Predictions, int]]
"""Returns what a model says of images, and how many parameters it has."""


def importer_of(path: Path) -> Any:
    """Return the importer that reads a file. Raises InputError that says what is read."""
    for cls in IMPORTERS.classes.values():
        if cls.reads(path):
            return cls()
    known = [suffix for cls in IMPORTERS.classes.values() for suffix in cls.suffixes] + [".onnx"]
    raise InputError(
        str(path), "is no model by its content", accepted=f"{', '.join(known)}, SavedModel folders"
    )


def check_model_file(path: Path, trust: Trust, techniques: Sequence[Technique]) -> None:
    """Raise InputError unless there is a model that such a run can take: quick, no TensorFlow."""
    if not path.exists():
        raise InputError("MODEL", f"there is no file {path}")
    importer = importer_of(path)
    importer.check_trust(path, trust)
    if techniques and not importer.has_layers:
        names = ", ".join(technique.name for technique in techniques)
        raise InputError(
            str(path),
            f"is a {importer.name} and has no layers to retrain: {names} cannot be applied",
            accepted="conversion and --quantize",
            remedy="give the model as .keras or .h5",
        )


def obtain(recipe: Recipe, data: Dataset, store: Store, on_event: OnEvent) -> Original:
    """Return the trained baseline of a recipe: from the store, or trained now."""
    place = trained_place(recipe, data, store)
    if store.find("baselines", place.name) is not None:
        on_event(Event("baseline", f"the stored {place}"))
    else:
        for split in ("train", "validation"):
            if not len(data.split(split)):
                raise InputError(
                    data.name,
                    f"has no {split} images to train a baseline with",
                    remedy="give images under train/, or a MODEL",
                )
        label = _label(recipe, data)
        on_event(Event("baseline", f"no stored baseline for {label}: training it"))
        store.stage(
            "baselines", place.name, lambda folder: train(recipe, data, store, folder, on_event)
        )
    store.forget(_key(recipe, data))  # Also where a kill came between the two.
    return Original(place / MODEL, file_sha256(place / MODEL))


def trained_place(recipe: Recipe, data: Dataset, store: Store) -> Path:
    """Return the folder of a trained baseline: its name holds a key of all that decides it."""
    return store.place("baselines", f"{_label(recipe, data)}-{_key(recipe, data)[:8]}")


def train(recipe: Recipe, data: Dataset, store: Store, folder: Path, on_event: OnEvent) -> None:
    """Train the recipe's architecture and write model, labels, history and curves."""
    from edgecv.tf import keras_bytes, set_seed
    from edgecv.training import fit

    set_seed(recipe.settings.seed)
    model = recipe.architecture.build(recipe.baseline.input_shape, len(data.class_names))
    schedule = recipe.schedule.for_data(mirrors=type(recipe.data).mirrors)
    history = fit(
        model,
        data,
        recipe.task,
        schedule,
        seed=recipe.settings.seed,
        checkpoint=store.checkpoint(_key(recipe, data)),
        on_event=on_event,
    )
    write_bytes(folder / MODEL, keras_bytes(model))
    write_bytes(folder / "labels.txt", labels_text(data.class_names))
    write_curves(history, folder / "curves.png")
    write_json(
        folder / "training.json",
        {
            "architecture": ARCHITECTURES.table(recipe.architecture),
            "data": DATASETS.table(recipe.data),
            "seed": recipe.settings.seed,
            "schedule": schedule.model_dump(),
            "parameters": model.count_params(),
            "history": [asdict(epoch) for epoch in history],
        },
    )


def read_training(folder: Path) -> dict[str, Any]:
    """Return what was recorded of a training."""
    record: dict[str, Any] = json.loads((folder / "training.json").read_text("utf-8"))
    return record


def labels_text(class_names: tuple[str, ...]) -> bytes:
    """Return ``labels.txt``: the name of each output, a line each."""
    return "".join(f"{name}\n" for name in class_names).encode()


def count_outputs(model: Any, path: Path) -> int:
    """Return how many numbers a model gives for an image.

    Raises InputError unless it takes one image and gives one row of numbers.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise InputError(
            str(path),
            f"has {len(model.inputs)} inputs and {len(model.outputs)} outputs",
            accepted="one of each",
        )
    outputs = tuple(model.outputs[0].shape)
    if len(outputs) != 2 or outputs[1] is None or outputs[1] < 2:
        raise InputError(
            str(path),
            f"gives outputs of shape {outputs}",
            accepted="(None, classes): one number a class for an image",
        )
    return int(outputs[1])


def input_shape_of(model: Any, path: Path) -> Shape:
    """Return height, width and channels of a model's input. Raises InputError if not fixed."""
    shape = tuple(model.inputs[0].shape)
    if len(shape) != 4 or None in shape[1:] or shape[3] not in (1, 3):
        raise InputError(
            str(path),
            f"takes inputs of shape {shape}",
            accepted="(None, height, width, channels) with 1 or 3 channels",
        )
    return int(shape[1]), int(shape[2]), int(shape[3])


def reference(original: Original, predict: Predict, split: Split, store: Store) -> Reference:
    """Return what the baseline says of a split, computed once and stored."""
    key = content_key("predictions", STAGE_VERSION, original.sha256, split.sha256)

    def make(folder: Path) -> None:
        predictions, parameters = predict(original, split.images)
        _check_probabilities(predictions, original.path)
        content = io.BytesIO()
        np.save(content, predictions, allow_pickle=False)
        write_bytes(folder / "predictions.npy", content.getvalue())
        write_json(folder / "facts.json", {"parameters": parameters})

    found = store.stage("predictions", key, make)
    facts = json.loads((found / "facts.json").read_text("utf-8"))
    predictions = np.load(found / "predictions.npy", allow_pickle=False)
    return Reference(predictions, facts["parameters"])


def _check_probabilities(predictions: Predictions, path: Path) -> None:
    if not np.isfinite(predictions).all():
        raise InputError(str(path), "gives NaN or infinity on the test images")
    sums = predictions.sum(axis=1)
    if predictions.min() < 0 or np.abs(sums - 1).max() > 1e-2:
        raise InputError(
            str(path),
            "gives outputs that are not probabilities",
            remedy="end the model with a Softmax layer",
        )


def _label(recipe: Recipe, data: Dataset) -> str:
    return f"{Path(data.name).stem}-{recipe.architecture.name}"


def _key(recipe: Recipe, data: Dataset) -> str:
    return content_key(
        "baseline",
        STAGE_VERSION,
        ARCHITECTURES.table(recipe.architecture),
        list(recipe.baseline.input_shape),
        recipe.schedule.model_dump(),
        type(recipe.data).mirrors,
        recipe.settings.seed,
        data.train.sha256,
        data.validation.sha256,
        version("tensorflow"),
        os.cpu_count(),  # Other threads add gradients in another order: other weights.
    )
