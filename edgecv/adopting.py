"""A user's model made into what every later step takes: pixels in, probabilities out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.baseline import Original, count_outputs, importer_of, input_shape_of
from edgecv.class_order import in_order_of
from edgecv.contracts import Task
from edgecv.errors import InputError
from edgecv.hints import advice, is_near_chance, with_each_choice
from edgecv.pixel_statistics import misfit
from edgecv.preprocessing import Preprocessing, fitting, found_in, named, with_preprocessing
from edgecv.records import Dataset, Images, Predictions, Shape
from edgecv.softmax import with_softmax
from edgecv.store import Store, content_key, file_sha256, tree_sha256, write_bytes, write_json
from edgecv.trust import NO_TRUST, Trust

STAGE_VERSION = 2
IMAGES_FOR_STATISTICS = 64
FAR, NEAR, CLEARLY_FARTHER = 3.0, 0.5, 5.0
"""Divergences of what a batch normalization sees: those of other pixels, and of the right ones; and
how many times farther the second choice is where the first is certain."""


@dataclass(frozen=True)
class Adopted:
    """A user's model, loaded. ``key`` is where it is kept, None where the file itself serves."""

    path: Path
    model: Any
    key: str | None
    notes: tuple[str, ...]
    trust: Trust = NO_TRUST

    @property
    def shape(self) -> Shape:
        """Height, width and channels of its input."""
        return input_shape_of(self.model, self.path)

    def fitted(self, data: Dataset, labels: Sequence[str] | None) -> Dataset:
        """Return the data in the order of the model's outputs, which ``labels`` may name.

        Raises InputError unless model and data fit each other.
        """
        return fitted(data, count_outputs(self.model, self.path), labels, self.path)

    def keep(self, store: Store) -> Original:
        """Return the model's file: the user's own, or that of the adapted model, written once."""
        from edgecv.tf import model_bytes

        if self.key is None:
            return Original(self.path, file_sha256(self.path), self.trust)

        def make(folder: Path) -> None:
            suffix, content = model_bytes(self.model)
            write_bytes(folder / f"model{suffix}", content)
            write_json(folder / "facts.json", {"notes": self.notes})

        (path,) = store.stage("models", self.key, make).glob("model.*")
        return Original(path, file_sha256(path), self.trust)


def fitted(data: Dataset, outputs: int, labels: Sequence[str] | None, path: Path) -> Dataset:
    """Return the data in the order of a model's outputs, which ``labels`` may name.

    Raises InputError unless there are as many classes.
    """
    ordered = in_order_of(data, outputs, labels)
    if len(ordered.class_names) != outputs:
        raise InputError(
            str(path),
            f"gives {outputs} numbers for an image, and {data.name} has "
            f"{len(data.class_names)} classes",
            accepted="one output a class",
            remedy="--labels FILE names each output; the data may then have fewer classes",
        )
    return ordered


def adopt(
    path: Path,
    preprocess: str | Preprocessing | None,
    store: Store,
    trust: Trust = NO_TRUST,
) -> Adopted:
    """Load a user's model and adapt it, or take what an earlier run has adapted.

    Raises InputError where the file is no model, not safe, or cannot be adapted.
    """
    asked = named(preprocess, "--preprocess") if isinstance(preprocess, str) else preprocess
    options = None if asked is None else asked.model_dump(mode="json")
    key = content_key("model", STAGE_VERSION, tree_sha256(path), options, trust.model_dump())
    stage = store.find("models", key)
    if stage is not None:
        (kept,) = stage.glob("model.*")
        facts = json.loads((stage / "facts.json").read_text("utf-8"))
        model = importer_of(kept).load(kept, trust)
        return Adopted(path, model, key, tuple(facts["notes"]), trust)
    importer = importer_of(path)
    loaded, notes = importer.load_with_notes(path, trust)
    input_shape_of(loaded, path)
    with trust.scope():
        model, more = _adapted(loaded, asked, str(path), has_layers=importer.has_layers)
    is_own = model is loaded and importer.keeps_its_format(path)
    notes = (*trust.notes(), *notes, *more)
    return Adopted(path, model, None if is_own else key, notes, trust)


def _adapted(
    model: Any, asked: Preprocessing | None, where: str, *, has_layers: bool
) -> tuple[Any, tuple[str, ...]]:
    notes: list[str] = []
    own = found_in(model)
    if asked is None:
        if not has_layers:
            own = "the model, and nobody can see whether it rescales them (--preprocess)"
        notes.append(f"pixels of 0..255 enter {own or 'the model, which does not rescale them'}")
    else:
        if own is not None and asked != Preprocessing():
            raise InputError(
                "--preprocess",
                f"the model rescales its pixels itself, by {own}",
                remedy="leave --preprocess out, or say 0..255",
            )
        model, how = with_preprocessing(model, asked, where)
        notes.append(f"preprocessing: {how}")
    adapted, words = with_softmax(model, where)
    return adapted, (*notes, words)


def hint(adopted: Adopted, data: Dataset, task: Task, value: float) -> str | None:
    """Say what each preprocessing would give, where the model is hardly better than guessing.

    None where it is better than that. Raises InputError where another preprocessing is clearly
    right: nothing that would be made of this model could be.
    """
    if not is_near_chance(value, data):
        return None
    bare, _ = with_softmax(
        importer_of(adopted.path).load(adopted.path, adopted.trust), str(adopted.path)
    )
    if found_in(bare) is not None:
        return None

    def predict(images: Images, choice: Preprocessing) -> Predictions:
        model, _ = with_preprocessing(bare, choice, "--preprocess")
        predictions: Predictions = model.predict(images.astype(np.float32), verbose=0)
        return predictions

    found = with_each_choice(predict, data, task)
    guessing = 1 / len(data.class_names)
    seen = f"is right on {value:.1%} of the images, and guessing is on {guessing:.1%}"
    return advice(found, value, data, str(adopted.path), seen)


def told_by_statistics(adopted: Adopted, data: Dataset) -> tuple[str, str] | None:
    """Return the preprocessing that the model's batch normalization speaks for, and why.

    For images without labels, where no accuracy shows a wrong guess. None where the pixels as they
    are may well be those of the training, or nothing tells. Raises InputError where they are
    clearly not, and more than one choice is near.
    """
    images = data.test.images[:IMAGES_FOR_STATISTICS]
    now = misfit(adopted.model, images)
    if now is None or now < FAR:
        return None
    bare = importer_of(adopted.path).load(adopted.path, adopted.trust)
    if found_in(bare) is not None:
        return None
    found = {
        name: far
        for name, choice in fitting(data.image_shape[2]).items()
        if (far := misfit(with_preprocessing(bare, choice, "--preprocess")[0], images)) is not None
    }
    best, *others = sorted(found, key=lambda name: found[name])
    if found[best] > NEAR:
        return None
    figures = ", ".join(f"{name} {far:.2g}" for name, far in found.items())
    words = (
        "these pixels are not those that the model was trained on: divergence of what its first "
        f"batch normalization sees from what it saw in training, by --preprocess: {figures}"
    )
    if found[others[0]] < CLEARLY_FARTHER * found[best]:
        raise InputError(str(adopted.path), words, remedy="give --preprocess; 0..255: as they are")
    return best, f"{words}; {best} was taken, as none was given"
