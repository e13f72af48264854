"""A user's model made into what every later step takes: pixels in, probabilities out."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.baseline import Original, check_model, importer_of, input_shape_of
from edgecv.contracts import Task
from edgecv.errors import InputError
from edgecv.preprocessing import NAMED, Preprocessing, found_in, named, with_preprocessing
from edgecv.records import Dataset, Shape
from edgecv.softmax import with_softmax
from edgecv.store import Store, content_key, file_sha256, tree_sha256, write_bytes, write_json
from edgecv.trust import Trust

STAGE_VERSION = 2
NO_TRUST = Trust()
IMAGES_FOR_A_HINT = 200
NEAR_CHANCE = 0.05
"""A model within so much of guessing may see other pixels than it was trained on."""
CLEARLY_BETTER = 0.15


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

    def check(self, data: Dataset) -> None:
        """Raise InputError unless it fits the data."""
        check_model(self.model, self.path, data.image_shape, len(data.class_names))

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
    chance = 1 / len(data.class_names)
    if value > chance + NEAR_CHANCE:
        return None
    bare, _ = with_softmax(
        importer_of(adopted.path).load(adopted.path, adopted.trust), str(adopted.path)
    )
    if found_in(bare) is not None:
        return None
    images = data.test.images[:IMAGES_FOR_A_HINT]
    labels = data.test.labels[:IMAGES_FOR_A_HINT]
    found = {}
    for name, choice in NAMED.items():
        if choice.channels == "bgr" and data.image_shape[2] != 3:
            continue
        if len(np.atleast_1d(choice.offset)) not in (1, data.image_shape[2]):
            continue
        model, _ = with_preprocessing(bare, choice, "--preprocess")
        predictions = model.predict(images.astype(np.float32), verbose=0)
        found[name] = task.metric(predictions, labels)
    choices = ", ".join(f"{name} {each:.1%}" for name, each in found.items())
    best = max(found, key=lambda name: found[name])
    words = f"on {len(labels)} images --preprocess would give: {choices}"
    if found[best] > value + CLEARLY_BETTER:
        raise InputError(
            str(adopted.path),
            f"is right on {value:.1%} of the images, and guessing is on {chance:.1%}; {words}",
            remedy=f"give --preprocess {best}",
        )
    return f"the baseline is hardly better than guessing; {words}"
