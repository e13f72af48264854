"""The original model: a file that the user brings, or an architecture trained once and kept."""

import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.core.errors import InputError
from edgecv.core.plugins import Technique
from edgecv.core.records import Dataset, Event, Images, Predictions, Split
from edgecv.core.registry import ARCHITECTURES, DATASETS
from edgecv.formats.lookup import importer_of
from edgecv.formats.trust import NO_TRUST, Trust
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.reports.curves import write_curves
from edgecv.system.storage import Store, content_key, file_sha256, write_bytes, write_json

OnEvent = Callable[[Event], None]
MODEL = "model.keras"
STAGE_VERSION = 1


@dataclass(frozen=True)
class ModelFile:
    """A baseline on disk. ``sha256`` is of the model file: same weights, same hash."""

    path: Path
    sha256: str
    trust: Trust = NO_TRUST
    """What may be in the file: as in the user's own, where it was made from that."""

    def load(self) -> Any:
        """Return the tf-keras model."""
        return importer_of(self.path).load(self.path, self.trust)


@dataclass(frozen=True)
class BaselinePredictions:
    """What the baseline says of some images: float32 (N, K) probabilities."""

    predictions: Predictions
    parameters: int


Predict = Callable[[ModelFile, Images], tuple[Predictions, int]]
"""Returns what a model says of images, and how many parameters it has."""


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


def obtain(recipe: Recipe, data: Dataset, store: Store, on_event: OnEvent) -> ModelFile:
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
    return ModelFile(place / MODEL, file_sha256(place / MODEL))


def trained_place(recipe: Recipe, data: Dataset, store: Store) -> Path:
    """Return the folder of a trained baseline: its name holds a key of all that decides it."""
    return store.place("baselines", f"{_label(recipe, data)}-{_key(recipe, data)[:8]}")


def train(recipe: Recipe, data: Dataset, store: Store, folder: Path, on_event: OnEvent) -> None:
    """Train the recipe's architecture and write model, labels, history and curves."""
    from edgecv.models.tf import keras_bytes, set_seed
    from edgecv.models.training.loop import fit

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


@dataclass(frozen=True)
class Training:
    """A baseline that was trained, as plain data."""

    folder: Path
    """Holds ``model.keras``, ``labels.txt``, ``training.json`` and ``curves.png``."""
    architecture: Mapping[str, Any]
    data: Mapping[str, Any]
    seed: int
    schedule: Mapping[str, Any]
    parameters: int
    history: tuple[Mapping[str, float], ...]
    """One entry an epoch: epoch, loss, accuracy, validation_accuracy, seconds, settled."""

    @property
    def best(self) -> Mapping[str, float]:
        """The epoch whose weights were kept."""
        return max(self.history, key=lambda each: (each["validation_accuracy"], each["epoch"]))


def read_training(folder: Path) -> Training:
    """Return what was recorded of a training."""
    record: dict[str, Any] = json.loads((folder / "training.json").read_text("utf-8"))
    return Training(**{**record, "folder": folder, "history": tuple(record["history"])})


def labels_text(class_names: tuple[str, ...]) -> bytes:
    """Return ``labels.txt``: the name of each output, a line each."""
    return "".join(f"{name}\n" for name in class_names).encode()


def reference(
    original: ModelFile, predict: Predict, split: Split, store: Store
) -> BaselinePredictions:
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
    return BaselinePredictions(predictions, facts["parameters"])


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
