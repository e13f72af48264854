"""An ONNX file: a child runs it for the baseline; its exports start from an adapted copy."""

import json
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from edgecv.core.artifact import SessionFacts
from edgecv.core.costs import Costs
from edgecv.core.data import Outputs, Predictions
from edgecv.core.errors import InputError, RuntimeFailure
from edgecv.core.files import no_file
from edgecv.core.images import ImageSequence
from edgecv.core.input_spec import InputSpec
from edgecv.core.output_shape import OutputShape
from edgecv.core.preprocessing import Preprocessing
from edgecv.core.sample import sample_rows
from edgecv.formats.model_file import ModelFile
from edgecv.formats.onnx.adapt import Ends
from edgecv.models.outputs import Ending, sum_to_one
from edgecv.pipeline.baseline import BaselinePredictions
from edgecv.pipeline.context import RunContext
from edgecv.pipeline.conversion.client import PlainOnnx
from edgecv.pipeline.load_data import load_data
from edgecv.pipeline.measure import CORES
from edgecv.pipeline.preprocessing import ModelReader, choose_preprocessing, one_by_one
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.user_models.user_model import UserModel, fitted_to_task
from edgecv.system.isolation import ModelClient
from edgecv.system.storage import content_key, write_json

ADAPTED = "adapted.onnx"
STAGE_VERSION = 5
LOOK_AT = 8
"""Images whose outputs show whether they are probabilities."""
ROW_OF_NUMBERS = 2
"""Axes of outputs that are one row of numbers for an image."""
COSTS = "multiply-accumulates are not in this report: edgecv inspect counts those of an ONNX file"


@dataclass(frozen=True)
class OnnxModel(UserModel):
    """A user's ONNX file: run unchanged as the baseline, adapted for its exports."""

    name: ClassVar[str] = "onnx"
    suffixes: ClassVar[tuple[str, ...]] = (".onnx",)

    file: ModelFile
    ends: Ends
    outputs: Outputs
    """Outputs of the file itself for the test images, run by a child."""
    remarks: tuple[str, ...]
    """Sentences for the report."""

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        """Raise InputError if the recipe needs a Keras model."""
        path = Path(str(recipe.baseline.model))
        if not path.is_file():
            raise no_file("MODEL", path)
        cls.refuse_techniques(
            recipe,
            "is an ONNX file, which cannot be trained",
            accepted="--quantize none, int8 or mixed",
            remedy="give the Keras model for anything else",
        )
        others = [each.format for each in recipe.exports if each.format != "onnx"]
        if others:
            raise InputError(
                str(path),
                f"is an ONNX file, which cannot be written as {others[0]}",
                accepted="--format onnx",
                remedy=f"give the Keras model for {others[0]}",
            )

    @classmethod
    def open(cls, recipe: Recipe, context: RunContext) -> Self:
        """Open the file in a child and run it on the test images: this process never reads it.

        Raises InputError if it does not fit the data or expects other pixels, RuntimeFailure if it
        does not run.
        """
        path, input_spec = Path(str(recipe.baseline.model)), recipe.baseline.input_spec
        context.emit("baseline", f"opening the model {path}")
        plain = context.converter.plain_onnx(path)
        file = plain.path
        with ModelClient("onnxruntime", CORES, log=context.log) as worker:
            facts = worker.open(file, input_spec)
            loaded = load_data(recipe.data, facts.image, context, for_brought=True)
            some = loaded.test.images[sample_rows(len(loaded.test), LOOK_AT)]
            shapes = _shapes(facts, worker.predict(file, some, input_spec=input_spec))
            ending = shapes[0].ending if len(shapes) == 1 else "numbers"
            recipe, data, found = fitted_to_task(recipe, loaded, shapes, ending, str(path))
            choice = choose_preprocessing(
                _reader(path, file, input_spec, worker, context),
                data,
                recipe.task,
                input_spec.preprocess,
                found,
            )
            if choice.preprocess is not None:
                baseline = recipe.baseline.model_copy(update={"preprocess": choice.preprocess})
                recipe = recipe.replace(baseline=baseline)
                input_spec = recipe.baseline.input_spec
            outputs = worker.predict(file, data.test.images, input_spec=input_spec)
            plain_notes = _plain_notes(plain, worker, data.test.images, outputs, recipe)
            try:
                answers, logits = recipe.task.normalized(outputs, facts.scales)
            except ValueError as error:
                accepted = "probabilities or logits"
                raise InputError(str(path), str(error), accepted=accepted) from None
        is_classifier = recipe.task.ending == "probabilities"
        ends = Ends(
            shape=facts.image,
            outputs=shapes,
            is_classifier=is_classifier,
            axes=facts.axes,
            batch=facts.batch,
            run_shapes=facts.run_shapes,
            activation=recipe.task.activation(outputs) or "",
            preprocess=input_spec.preprocess or Preprocessing(),
        )
        outputs_as = logits or (("it gives probabilities",) if is_classifier else ())
        found_out = (*facts.notes, *outputs_as, *plain_notes)
        notes = (*(f"the model: {note}" for note in found_out), *found, *choice.notes, COSTS)
        for note in notes:
            context.emit("note", note)
        return cls(recipe, data, context, ModelFile.at(file), ends, answers, notes)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the report: layout, range and outputs of the file."""
        return self.remarks

    @cached_property
    def original(self) -> ModelFile:
        """The user's own file; its key covers the given preprocessing too."""
        input_spec = self.recipe.baseline.input_spec.model_dump(mode="json")
        key = content_key("onnx", STAGE_VERSION, self.file.sha256, input_spec)
        return ModelFile(self.file.path, key)

    @cached_property
    def source(self) -> ModelFile:
        """The adapted copy of the model. Raises StepError if it cannot be adapted."""
        return ModelFile(self._adapted / ADAPTED, self.original.sha256)

    @cached_property
    def reference(self) -> BaselinePredictions:
        """The predictions of the user's own file."""
        facts = json.loads((self._adapted / "facts.json").read_text("utf-8"))
        return BaselinePredictions(self.outputs, facts["parameters"])

    @cached_property
    def _adapted(self) -> Path:
        """The folder of the store with the adapted model."""
        ends = self.ends.model_dump(mode="json")
        key = content_key("adapted", STAGE_VERSION, self.file.sha256, ends, version("onnx"))

        def make(folder: Path) -> None:
            converter = self.context.converter
            parameters = converter.adapt_onnx(self.file, self.ends, folder / ADAPTED)
            write_json(folder / "facts.json", {"parameters": parameters})

        return self.context.store.stage("models", key, make)

    def costs(self, compressed: ModelFile) -> tuple[Costs | None, tuple[str, ...]]:
        """Return no costs: the notes name the command that counts multiply-accumulates."""
        return None, ()


def _shapes(facts: SessionFacts, outputs: Outputs) -> tuple[OutputShape, ...]:
    """Return name, shape and kind of each output, by the values for some images."""
    return tuple(
        OutputShape(name=tensor.name, shape=shape, ending=ending_of(outputs.arrays[tensor.name]))
        for tensor, shape in zip(facts.outputs, facts.answers, strict=True)
    )


def ending_of(values: Predictions) -> Ending:
    """Return what an output of no known graph gives, by its values for some images."""
    is_row = values.ndim == ROW_OF_NUMBERS and values.shape[1] > 1
    return "probabilities" if is_row and sum_to_one(values) else "numbers"


def _plain_notes(
    plain: PlainOnnx, worker: ModelClient, images: ImageSequence, outputs: Outputs, recipe: Recipe
) -> tuple[str, ...]:
    """Return what was done to a file to have one of float32, and what that changes."""
    notes = []
    if plain.was_external:
        notes.append("the weights that lie beside it are a part of the run's own copy of it")
    if plain.had_halves:
        path = Path(str(recipe.baseline.model))
        text = "it holds 16-bit floats; the baseline is the same model computed in float32"
        try:
            own = worker.predict(path, images, input_spec=recipe.baseline.input_spec)
        except RuntimeFailure:  # Of bfloat16 there are no kernels for this processor.
            return *notes, f"{text}: ONNX Runtime does not run the file itself"
        same = float(np.mean(recipe.task.same_answer(own, outputs)))
        notes.append(f"{text}, which has the same answer on {same:.2%} of the images")
    return tuple(notes)


def _reader(
    path: Path, file: Path, input_spec: InputSpec, worker: ModelClient, context: RunContext
) -> ModelReader:
    """Return the file as the search for its preprocessing reads it: ``file`` is its plain form."""
    predict = one_by_one(
        str(path),
        input_spec,
        lambda images, asked: worker.predict(file, images, input_spec=asked),
        partial(context.emit, "baseline"),
    )
    return ModelReader(
        str(path), predict, lambda images: worker.input_evidence(file, images, input_spec)
    )
