"""A user's ONNX model: run as it is by a child for the baseline, adapted for what is made of it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from edgecv.core.errors import InputError
from edgecv.core.input_spec import InputSpec
from edgecv.core.preprocessing import Preprocessing
from edgecv.core.records import Dataset, Images, Predictions, Shape
from edgecv.evaluation.probabilities import as_probabilities
from edgecv.formats.model_file import ModelFile
from edgecv.formats.onnx.adapt import Ends
from edgecv.pipeline.baseline import BaselinePredictions
from edgecv.pipeline.conversion import Converter
from edgecv.pipeline.measure import CORES
from edgecv.pipeline.preprocessing_hints import advice, is_near_chance, with_each_choice
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.user_model import fitted
from edgecv.system.isolation import ModelClient
from edgecv.system.storage import Store, content_key, file_sha256, write_json

SUFFIX = ".onnx"
ADAPTED = "adapted.onnx"
STAGE_VERSION = 1
COSTS = "multiply-accumulates are not in this report: edgecv inspect counts those of an ONNX file"


def is_onnx(recipe: Recipe) -> bool:
    """Tell whether the recipe's model is an ONNX file."""
    model = recipe.baseline.model
    return model is not None and Path(model).suffix.lower() == SUFFIX


def check_recipe(recipe: Recipe) -> None:
    """Raise InputError where the recipe asks of an ONNX file what needs a Keras model: at once."""
    path = Path(str(recipe.baseline.model))
    if not path.is_file():
        raise InputError("MODEL", f"there is no file {path}")
    if recipe.techniques:
        names = ", ".join(technique.name for technique in recipe.techniques)
        raise InputError(
            str(path),
            f"is an ONNX file, which cannot be trained on, and {names} needs that",
            accepted="--quantize int8 or none",
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


@dataclass(frozen=True)
class OnnxUserModel:
    """A user's ONNX model, and how pixels become its input and its output probabilities."""

    path: Path
    input_spec: InputSpec
    ends: Ends
    predictions: Predictions
    """What the file itself says of the test images, run by a child."""
    notes: tuple[str, ...]

    def keep(self) -> ModelFile:
        """Return the user's own file; its hash is of what was said about pixels, too."""
        said = self.input_spec.model_dump(mode="json")
        key = content_key("onnx", STAGE_VERSION, file_sha256(self.path), said)
        return ModelFile(self.path, key)

    def adapted(self, store: Store, converter: Converter) -> tuple[ModelFile, BaselinePredictions]:
        """Return the model as edgecv writes models, made once and kept, and what the file says.

        Raises StepError where it cannot be adapted.
        """
        said = self.ends.model_dump(mode="json")
        key = content_key("adapted", STAGE_VERSION, file_sha256(self.path), said, version("onnx"))

        def make(folder: Path) -> None:
            parameters = converter.adapt_onnx(ModelFile.at(self.path), self.ends, folder / ADAPTED)
            write_json(folder / "facts.json", {"parameters": parameters})

        folder = store.stage("models", key, make)
        facts = json.loads((folder / "facts.json").read_text("utf-8"))
        made = ModelFile(folder / ADAPTED, self.keep().sha256)
        return made, BaselinePredictions(self.predictions, facts["parameters"])


def adopt_onnx(recipe: Recipe, load: Callable[[Shape], Dataset]) -> tuple[Dataset, OnnxUserModel]:
    """Return the data for a user's ONNX model, loaded by ``load(shape)``, and the model.

    It is opened and run in a child: this process never reads it. Raises InputError where it does
    not fit the data or sees other pixels than it was trained on, RuntimeFailure where it does not
    run.
    """
    path, input_spec = Path(str(recipe.baseline.model)), recipe.baseline.input_spec
    with ModelClient("onnxruntime", CORES) as worker:
        facts = worker.open(path, input_spec)
        loaded = load(facts.image)
        outputs = worker.predict(path, loaded.test.images, input_spec=input_spec)
        data = fitted(loaded, outputs.shape[1], recipe.baseline.labels, path)
        try:
            predictions, logits = as_probabilities(outputs, facts.output.scale)
        except ValueError as error:
            raise InputError(str(path), str(error), accepted="probabilities or logits") from None
        hints = _hints(recipe, worker, data, predictions)
    ends = Ends(
        shape=facts.image,
        classes=len(data.class_names),
        channels_first=tuple(facts.input.shape[1:]) != facts.image,
        gives_logits=bool(logits),
        preprocess=input_spec.preprocess or Preprocessing(),
    )
    given = logits or ("it gives probabilities",)
    return data, OnnxUserModel(
        path,
        input_spec,
        ends,
        predictions,
        (*(f"the model: {note}" for note in (*facts.notes, *given)), *hints, COSTS),
    )


def _hints(
    recipe: Recipe, worker: ModelClient, data: Dataset, predictions: Predictions
) -> tuple[str, ...]:
    """Say what other pixels would give, where the model is hardly better than guessing.

    Raises InputError where another preprocessing is clearly right.
    """
    path, input_spec = Path(str(recipe.baseline.model)), recipe.baseline.input_spec
    if not data.has_labels:
        return ()
    value = recipe.task.metric(predictions, data.test.labels)
    if not is_near_chance(value, data):
        return ()

    def predict(images: Images, choice: Preprocessing) -> Predictions:
        asked = input_spec.model_copy(update={"preprocess": choice})
        return worker.predict(path, images, input_spec=asked)

    found = with_each_choice(predict, data, recipe.task)
    seen = f"is right on {value:.1%} of the images, which is no better than guessing"
    return (advice(found, value, data, str(path), seen),)
