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
from edgecv.pipeline.conversion.adapt_model import QUANTIZED, ModelFacts
from edgecv.pipeline.preprocessing_hints import advice, is_near_chance, with_each_choice
from edgecv.system.storage import Store, content_key, copy_file

STAGE_VERSION = 3
IMAGES_FOR_STATISTICS = 64
NEAR, CLEARLY_FARTHER = 0.5, 5.0
"""Largest divergence of a batch normalization's input for the right pixels, and how many times
larger that of the second choice must be for the first to be certain."""
FACTS = "facts.json"


@dataclass(frozen=True)
class AdaptedFile:
    """A user's Keras model, adapted for all later steps: pixels in, probabilities out."""

    file: ModelFile
    """The user's own file."""
    path: Path
    """File of the adapted model: the user's own if it needs no adaptation."""
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
        """Return the user's own file if it needs no adaptation, else the stored adapted model."""
        if self.facts.is_own:
            return self.file

        def make(folder: Path) -> None:
            for path in self.path.parent.iterdir():
                copy_file(path, folder / path.name)

        (path,) = store.stage("models", self.key, make).glob("model.*")
        return ModelFile.at(path, self.file.trust)

    def keep_quantized(self, store: Store) -> ModelFile | None:
        """Return the stored model with the quantizers of its training; None if it had none."""
        if not self.facts.has_quantizers:
            return None
        return ModelFile.at(self.keep(store).path.with_name(QUANTIZED), self.file.trust)


def adapt_file(
    file: ModelFile, preprocess: str | Preprocessing | None, store: Store, converter: Converter
) -> AdaptedFile:
    """Open and adapt a user's model in a child, or take the stored one of an earlier run.

    Raises InputError if the file is no model, is unsafe, cannot be adapted, or crashes the child.
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
    """Return a warning with the accuracy of each preprocessing for a model near chance.

    None if it is better than that. Raises InputError if another preprocessing is clearly right: no
    export of this model could be correct.
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
    """Return the preprocessing that fits the statistics of batch normalization, and the reason.

    None if the pixels fit as they are, or the model has no such statistics. Raises InputError if
    they do not fit and more than one choice does.
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
