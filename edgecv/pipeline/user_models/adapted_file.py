"""A user's Keras model, opened and adapted by a child."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecv.core.data import Images, Outputs
from edgecv.core.events import Event, OnEvent, ignore_event
from edgecv.core.input_evidence import InputEvidence
from edgecv.core.plugins import Task
from edgecv.core.preprocessing import Preprocessing
from edgecv.core.registry import TASKS
from edgecv.formats.model_file import ModelFile
from edgecv.pipeline.conversion import Converter
from edgecv.pipeline.conversion.adapt_model import QUANTIZED, ModelFacts
from edgecv.pipeline.preprocessing import OF_A_RUN, ModelReader
from edgecv.system.storage import Store, content_key, copy_file, is_of_run

STAGE_VERSION = 8
FACTS = "facts.json"


@dataclass(frozen=True)
class AdaptedFile:
    """A user's Keras model, adapted for all later steps: it takes pixels."""

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
        return self.as_read.load()

    @property
    def as_read(self) -> ModelFile:
        """The adapted model, which opens sooner than a model that is rebuilt from Keras 3."""
        return self.file if self.facts.is_own else ModelFile(self.path, self.key, self.file.trust)

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
    file: ModelFile,
    store: Store,
    converter: Converter,
    task: Task | None = None,
    *,
    is_trained: bool = False,
) -> AdaptedFile:
    """Open and adapt a user's model in a child, or take the stored one of an earlier run.

    ``task``: None to take its outputs as they are; ``is_trained``: it is trained on.
    Raises InputError if the file is no model, is unsafe, cannot be adapted, or crashes the child.
    """
    options = file.input_spec.model_dump(mode="json")
    trust, asked = file.trust.model_dump(), () if task is None else (TASKS.table(task),)
    is_kept = ("weights of the usual size",) if is_trained else ()
    key = content_key("model", STAGE_VERSION, file.sha256, options, trust, *asked, *is_kept)
    folder = store.find("models", key) or converter.adopt(file, task, is_trained=is_trained)
    facts = ModelFacts.model_validate_json((folder / FACTS).read_bytes())
    path = file.path if facts.is_own else next(folder.glob("model.*"))
    return AdaptedFile(file, path, key, facts, converter)


def reader_of(adapted: AdaptedFile, on_event: OnEvent = ignore_event) -> ModelReader:
    """Return a user's own file as the search for its preprocessing reads it."""
    converter, file = adapted.converter, adapted.file
    source = file if file.input_spec.preprocess is not None else adapted.as_read

    def predict(images: Images, choices: Mapping[str, Preprocessing]) -> Mapping[str, Outputs]:
        message = f"{len(images):,} images through {file.path} with each preprocessing"
        on_event(Event("baseline", message))
        return converter.predict_each(source, images, choices)

    def evidence(images: Images) -> InputEvidence:
        if is_of_run(file.path):
            return InputEvidence(OF_A_RUN)
        return converter.input_evidence(source, images)

    return ModelReader(str(file.path), predict, evidence)
