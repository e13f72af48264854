"""A user's model, adopted: opened and adapted by a child, pixels in and probabilities out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.plugins import Task
from edgecv.core.preprocessing import Preprocessing, named
from edgecv.core.records import Dataset, Images, Predictions, Shape
from edgecv.datasets.class_order import in_order_of
from edgecv.formats.model_file import ModelFile
from edgecv.formats.trust import NO_TRUST, Trust
from edgecv.pipeline.conversion import Converter
from edgecv.pipeline.conversion.adapt_model import ModelFacts
from edgecv.pipeline.preprocessing_hints import advice, is_near_chance, with_each_choice
from edgecv.system.storage import Store, content_key, copy_file, file_sha256, tree_sha256

STAGE_VERSION = 3
IMAGES_FOR_STATISTICS = 64
NEAR, CLEARLY_FARTHER = 0.5, 5.0
"""Divergence of what a batch normalization sees with the right pixels; and how many times farther
the second choice is where the first is certain."""
FACTS = "facts.json"


@dataclass(frozen=True)
class KerasUserModel:
    """A user's model. ``path`` is what it was brought as, ``made`` where the adapted one lies."""

    path: Path
    made: Path
    key: str
    facts: ModelFacts
    converter: Converter
    trust: Trust = NO_TRUST

    @property
    def brought(self) -> ModelFile:
        """The file as the user brought it."""
        return ModelFile(self.path, "", self.trust)

    @property
    def shape(self) -> Shape:
        """Height, width and channels of its input."""
        return self.facts.shape

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on how it came in, for the report."""
        return self.facts.notes

    def fitted(self, data: Dataset, labels: Sequence[str] | None) -> Dataset:
        """Return the data in the order of the model's outputs, which ``labels`` may name.

        Raises InputError unless model and data fit each other.
        """
        return fitted(data, self.facts.outputs, labels, self.path)

    @cached_property
    def model(self) -> Any:
        """The tf-keras model in this process, for what trains it on: a child has opened the same
        file before."""
        return ModelFile(self.made, "", self.trust).load()

    def keep(self, store: Store) -> ModelFile:
        """Return the model's file: the user's own, or that of the adapted model, written once."""
        if self.facts.is_own:
            return ModelFile(self.path, file_sha256(self.path), self.trust)

        def make(folder: Path) -> None:
            for path in (self.made, self.made.with_name(FACTS)):
                copy_file(path, folder / path.name)

        (path,) = store.stage("models", self.key, make).glob("model.*")
        return ModelFile(path, file_sha256(path), self.trust)


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
    converter: Converter,
    trust: Trust = NO_TRUST,
) -> KerasUserModel:
    """Have a child open a user's model and adapt it, or take what an earlier run has adapted.

    Raises InputError where the file is no model, not safe, or cannot be adapted, RuntimeFailure
    where it kills the child.
    """
    asked = named(preprocess, "--preprocess") if isinstance(preprocess, str) else preprocess
    options = None if asked is None else asked.model_dump(mode="json")
    key = content_key("model", STAGE_VERSION, tree_sha256(path), options, trust.model_dump())
    folder = store.find("models", key) or converter.adopt(ModelFile(path, "", trust), asked)
    facts = ModelFacts.model_validate_json((folder / FACTS).read_bytes())
    made = path if facts.is_own else next(folder.glob("model.*"))
    return KerasUserModel(path, made, key, facts, converter, trust)


def hint(adopted: KerasUserModel, data: Dataset, task: Task, value: float) -> str | None:
    """Say what each preprocessing would give, where the model is hardly better than guessing.

    None where it is better than that. Raises InputError where another preprocessing is clearly
    right: nothing that would be made of this model could be.
    """
    if not is_near_chance(value, data):
        return None
    if adopted.facts.rescales:
        return None

    def predict(images: Images, choice: Preprocessing) -> Predictions:
        return adopted.converter.predict(adopted.brought, images, choice)[0]

    found = with_each_choice(predict, data, task)
    guessing = 1 / len(data.class_names)
    seen = f"is right on {value:.1%} of the images, and guessing is on {guessing:.1%}"
    return advice(found, value, data, str(adopted.path), seen)


def preprocessing_by_statistics(adopted: KerasUserModel, data: Dataset) -> tuple[str, str] | None:
    """Return the preprocessing that the model's batch normalization speaks for, and why.

    For images without labels, where no accuracy shows a wrong guess. None where the pixels as they
    are may well be those of the training, or nothing tells. Raises InputError where they are
    clearly not, and more than one choice is near.
    """
    images = data.test.images[:IMAGES_FOR_STATISTICS]
    found = adopted.converter.misfits(adopted.brought, images)
    if not found:
        return None
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
