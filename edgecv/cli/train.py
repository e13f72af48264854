"""``edgecv train``."""

from edgecv.cli.console import Screen
from edgecv.cli.from_options import JsonOptions
from edgecv.pipeline import run as pipeline
from edgecv.pipeline.baseline import read_training
from edgecv.pipeline.recipe.from_flags import TrainOptions
from edgecv.system.storage import Store


class TrainCommand(JsonOptions, TrainOptions):
    """Options of ``edgecv train``."""


def run(options: TrainCommand, screen: Screen) -> int:
    """Train a baseline and keep it."""
    folder = pipeline.train(options.to_recipe(), Store.at(options.output), screen.on_event)
    screen.training(read_training(folder), folder, as_json=options.as_json)
    return 0
