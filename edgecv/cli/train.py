"""``edgecv train``."""

from edgecv.cli.console import Screen
from edgecv.cli.from_options import JsonOptions
from edgecv.pipeline.recipe.from_flags import TrainOptions


class TrainCommand(JsonOptions, TrainOptions):
    """Options of ``edgecv train``."""


def run(options: TrainCommand, screen: Screen) -> int:
    """Train a baseline and keep it."""
    from edgecv.cli.show import show_training
    from edgecv.pipeline import run as pipeline
    from edgecv.system.storage import Store

    training = pipeline.train(options.to_recipe(), Store.at(options.output), screen.on_event)
    show_training(training, screen, as_json=options.as_json)
    return 0
