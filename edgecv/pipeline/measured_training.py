"""A trained baseline with what it does on the test images."""

import math

from edgecv.pipeline.load_data import data_facts
from edgecv.pipeline.stored_training import ModelScore, Training, read_training
from edgecv.pipeline.user_models.trained import TrainedModel
from edgecv.reports.class_results import model_results


def measured_training(model: TrainedModel) -> Training:
    """Return the record of a training, which is done at its first use: metrics, and by class."""
    data, task, path = model.data, model.recipe.task, model.original.path
    outputs = model.reference.outputs
    (name, value), *others = (
        (each.name, each.of(outputs, data.test.labels)) for each in task.metrics
    )
    further = {each: figure for each, figure in others if math.isfinite(figure)}
    return read_training(
        path.parent,
        ModelScore(name, value, len(data.test), further),
        data_facts(data, task),
        model_results((path.name, outputs), (), data, task),
    )
