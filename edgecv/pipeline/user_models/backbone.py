"""The start of a baseline's training: a trained backbone, where the recipe names one."""

from dataclasses import replace

from edgecv.core.data import Dataset
from edgecv.core.errors import InputError
from edgecv.core.files import check_regular, no_file
from edgecv.core.plugins import Head
from edgecv.formats.keras.weights_file import layer_weights
from edgecv.formats.lookup import importer_of
from edgecv.formats.model_file import ModelFile
from edgecv.models.backbone import Backbone, with_new_head, with_weights
from edgecv.models.network import check_features, features_of
from edgecv.pipeline.baseline import Start
from edgecv.pipeline.context import RunContext
from edgecv.pipeline.load_data import load_data
from edgecv.pipeline.preprocessing import choose_preprocessing
from edgecv.pipeline.recipe.parts import BackboneOptions
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.user_models.adapted_file import adapt_file, reader_of
from edgecv.system.storage import tree_sha256

WITH_LAYERS = ".keras, .h5 and .hdf5"
"""The files whose layers can be taken."""


def check_backbone(recipe: Recipe, options: BackboneOptions) -> None:
    """Raise InputError if the file is missing, or is none that layers can be taken of.

    Quick, and without TensorFlow.
    """
    path, where = options.path, "--from" if options.model else "--weights"
    if not path.exists():
        raise no_file(where, path)
    check_regular(path, where, folders=options.model is not None)
    if options.sha256 is not None and tree_sha256(path) != options.sha256:
        raise InputError(
            str(path),
            "is not the file that the recipe was made with: it has another sha256",
            remedy="give that file, or leave sha256 out",
        )
    if options.model is None:
        check_features(recipe.architecture, recipe.task, "--architecture")
        return
    try:
        importer = importer_of(path)
    except InputError as error:
        found, remedy = error.found, error.remedy
        raise InputError(str(path), found, accepted=WITH_LAYERS, remedy=remedy) from None
    if not importer.has_layers:
        raise InputError(
            str(path),
            f"is a {importer.name} and has no layers to start from",
            accepted=WITH_LAYERS,
        )
    importer.check_trust(path, recipe.baseline.trusted)


def open_start(recipe: Recipe, context: RunContext) -> tuple[Recipe, Dataset, Start | None]:
    """Return the recipe with what was found, the data at the size of the input, and the start.

    None for a training from random weights. Raises InputError for a model that cannot be one.
    """
    options = recipe.baseline.backbone
    if options is not None and options.model is not None:
        return _from_model(recipe, options, context)
    data = recipe.task.of_task(load_data(recipe.data, recipe.baseline.input_shape, context))
    if options is None:
        return recipe, data, None
    path, architecture = options.path, recipe.architecture
    sha256, trust = tree_sha256(path), recipe.baseline.trusted

    def build(head: Head) -> Backbone:
        model = architecture.build(recipe.baseline.input_shape, head)
        return with_weights(model, head, layer_weights(path, trust), str(path))

    start = Start(options.label(architecture.name), sha256, build, ())
    return _with_hash(recipe, options, sha256), data, start


def _with_hash(recipe: Recipe, options: BackboneOptions, sha256: str) -> Recipe:
    found = options.model_copy(update={"sha256": sha256})
    return recipe.replace(baseline=recipe.baseline.model_copy(update={"backbone": found}))


def _from_model(
    recipe: Recipe, options: BackboneOptions, context: RunContext
) -> tuple[Recipe, Dataset, Start]:
    path, asked = options.path, recipe.baseline
    context.emit("baseline", f"opening the model {path}")
    file = ModelFile.at(path, asked.trusted, asked.input_spec)
    adapted = adapt_file(file, context.store, context.converter, is_trained=True)
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
    recipe = _with_hash(recipe, options, tree_sha256(path))
    if choice.preprocess is not None:
        baseline = recipe.baseline.model_copy(update={"preprocess": choice.preprocess})
        recipe = recipe.replace(baseline=baseline)
        file = replace(file, input_spec=baseline.input_spec)
        adapted = adapt_file(file, context.store, context.converter, is_trained=True)
    for note in (*choice.notes, *adapted.notes):
        context.emit("note", note)

    def build(head: Head) -> Backbone:
        with asked.trusted.scope():
            model = adapted.model
        return with_new_head(model, head, features_of(recipe.task), options.layer, str(path))

    start = Start(options.label(""), adapted.key, build, (*choice.notes, *adapted.notes))
    return recipe, data, start
