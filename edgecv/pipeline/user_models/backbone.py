"""The start of a baseline's training: a trained backbone, where the recipe names one."""

from dataclasses import replace

from edgecv.core.data import Dataset
from edgecv.core.errors import InputError
from edgecv.core.files import check_regular
from edgecv.core.plugins import Head
from edgecv.formats.lookup import importer_of
from edgecv.formats.model_file import ModelFile
from edgecv.models.backbone import Backbone, with_new_head
from edgecv.pipeline.baseline import Start
from edgecv.pipeline.context import RunContext
from edgecv.pipeline.load_data import load_data
from edgecv.pipeline.preprocessing import choose_preprocessing
from edgecv.pipeline.recipe.parts import BackboneOptions
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.user_models.adapted_file import adapt_file, reader_of
from edgecv.system.storage import tree_sha256

WHERE = "--from"


def check_backbone(recipe: Recipe, options: BackboneOptions) -> None:
    """Raise InputError if the file is missing, or is none that layers can be taken of.

    Quick, and without TensorFlow.
    """
    path = options.path
    if not path.exists():
        raise InputError(WHERE, f"there is no file {path}")
    check_regular(path, WHERE, folders=True)
    if options.sha256 is not None and tree_sha256(path) != options.sha256:
        raise InputError(
            str(path),
            "is not the file that the recipe was made with: it has another sha256",
            remedy="give that file, or leave sha256 out",
        )
    importer = importer_of(path)
    if not importer.has_layers:
        raise InputError(
            str(path),
            f"is a {importer.name} and has no layers to start from",
            accepted=".keras and .h5",
        )
    importer.check_trust(path, recipe.baseline.trusted)


def open_start(recipe: Recipe, context: RunContext) -> tuple[Recipe, Dataset, Start | None]:
    """Return the recipe with what was found, the data at the size of the input, and the start.

    None for a training from random weights. Raises InputError for a model that cannot be one.
    """
    options = recipe.baseline.backbone
    if options is None:
        data = load_data(recipe.data, recipe.baseline.input_shape, context)
        return recipe, recipe.task.of_task(data), None
    return _from_model(recipe, options, context)


def _from_model(
    recipe: Recipe, options: BackboneOptions, context: RunContext
) -> tuple[Recipe, Dataset, Start]:
    path, asked = options.path, recipe.baseline
    context.emit("baseline", f"opening the model {path}")
    file = ModelFile.at(path, asked.trusted, asked.input_spec)
    adapted = adapt_file(file, context.store, context.converter)
    if adapted.facts.untrainable:
        raise InputError(
            str(path),
            f"has no layers of tf-keras to train: {adapted.facts.untrainable}",
            remedy="replace those layers, or train an architecture from nothing",
        )
    data = recipe.task.of_task(load_data(recipe.data, adapted.facts.shape, context))
    unlabelled = replace(data, has_labels=False)  # Its classes are others.
    reader = reader_of(adapted, context.on_event)
    choice = choose_preprocessing(reader, unlabelled, recipe.task, asked.input_spec.preprocess)
    found = options.model_copy(update={"sha256": file.sha256})
    baseline = asked.model_copy(update={"backbone": found})
    if choice.preprocess is not None:
        baseline = baseline.model_copy(update={"preprocess": choice.preprocess})
        file = replace(file, input_spec=baseline.input_spec)
        adapted = adapt_file(file, context.store, context.converter)
    for note in (*choice.notes, *adapted.notes):
        context.emit("note", note)

    def build(head: Head) -> Backbone:
        with asked.trusted.scope():
            model = adapted.model
        return with_new_head(model, head, recipe.task.features, options.layer, str(path))

    start = Start(f"from-{path.stem}", adapted.key, build, (*choice.notes, *adapted.notes))
    return recipe.replace(baseline=baseline), data, start
