"""A user's Keras model, opened and adapted by a child: pixels in, probabilities out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.plugins import Task
from edgecv.core.preprocessing import Preprocessing, named
from edgecv.core.records import Dataset, Images, Predictions
from edgecv.core.sample import sample_rows
from edgecv.formats.model_file import ModelFile
from edgecv.pipeline.conversion import Converter
from edgecv.pipeline.conversion.adapt_model import ModelFacts
from edgecv.pipeline.preprocessing_hints import advice, is_near_chance, with_each_choice
from edgecv.system.storage import Store, content_key, copy_file

STAGE_VERSION = 3
IMAGES_FOR_STATISTICS = 64
NEAR, CLEARLY_FARTHER = 0.5, 5.0
"""Divergence of what a batch normalization sees with the right pixels; and how many times farther
the second choice is where the first is certain."""
FACTS = "facts.json"


@dataclass(frozen=True)
class AdaptedFile:
    """A user's Keras model as every later step takes it: pixels in, probabilities out."""

    file: ModelFile
    """As the user brought it."""
    path: Path
    """File of the adapted model: the user's own where it serves as it is."""
    key: str
    facts: ModelFacts
    converter: Converter

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the report: how the model was read."""
        return self.facts.notes

    @property
    def model(self) -> Any:
        """The tf-keras model, loaded in this process."""
        return ModelFile(self.path, self.key, self.file.trust).load()

    def keep(self, store: Store) -> ModelFile:
        """Return the user's own file where it serves, else the adapted model, written once."""
        if self.facts.is_own:
            return self.file

        def make(folder: Path) -> None:
            for path in (self.path, self.path.with_name(FACTS)):
                copy_file(path, folder / path.name)

        (path,) = store.stage("models", self.key, make).glob("model.*")
        return ModelFile.at(path, self.file.trust)


def adapt_file(
    file: ModelFile, preprocess: str | Preprocessing | None, store: Store, converter: Converter
) -> AdaptedFile:
    """Open and adapt a user's model in a child, or take what an earlier run has adapted.

    Raises InputError where the file is no model, not safe, cannot be adapted, or crashes the child.
    """
    asked = named(preprocess, "--preprocess") if isinstance(preprocess, str) else preprocess
    options = None if asked is None else asked.model_dump(mode="json")
    key = content_key("model", STAGE_VERSION, file.sha256, options, file.trust.model_dump())
    folder = store.find("models", key) or converter.adopt(file, asked)
    facts = ModelFacts.model_validate_json((folder / FACTS).read_bytes())
    path = file.path if facts.is_own else next(folder.glob("model.*"))
    return AdaptedFile(file, path, key, facts, converter)


def preprocessing_warning(
    adapted: AdaptedFile, data: Dataset, task: Task, value: float
) -> str | None:
    """Warn with the accuracy of each preprocessing where a model is hardly better than guessing.

    None where it is better than that. Raises InputError where another preprocessing is clearly
    right: nothing that would be made of this model could be.
    """
    if not is_near_chance(value, data, task):
        return None
    if adapted.facts.rescales:
        return None

    def predict(images: Images, choice: Preprocessing) -> Predictions:
        return adapted.converter.predict(adapted.file, images, choice)[0]

    found = with_each_choice(predict, data, task)
    guessing = task.guessing(data) or 0.0
    seen = f"is right on {value:.1%} of the images, and guessing is on {guessing:.1%}"
    return advice(found, value, data, str(adapted.file.path), seen)


def preprocessing_by_statistics(adapted: AdaptedFile, data: Dataset) -> tuple[str, str] | None:
    """Return the preprocessing that fits the statistics of batch normalization, and why.

    None where the pixels as they are may well be those of the training, or the model has no such
    statistics. Raises InputError where they are clearly not, and more than one choice is near.
    """
    images = data.test.images[sample_rows(len(data.test), IMAGES_FOR_STATISTICS)]
    found = adapted.converter.misfits(adapted.file, images)
    if not found:
        return None
    best, *others = sorted(found, key=lambda name: found[name])
    if found[best] > NEAR:
        return None
    figures = ", ".join(f"{name} {far:.2g}" for name, far in found.items())
    divergences = (
        "these pixels are not those that the model was trained on: divergence of what its first "
        f"batch normalization sees from what it saw in training, by --preprocess: {figures}"
    )
    if found[others[0]] < CLEARLY_FARTHER * found[best]:
        raise InputError(
            str(adapted.file.path), divergences, remedy="give --preprocess; 0..255: as they are"
        )
    return best, f"{divergences}; {best} was taken, as none was given"
