"""``edgecv train``."""

from typing import TYPE_CHECKING, Annotated

import typer

from edgecv.cli.options import (
    Architecture,
    AsJson,
    Data,
    Epochs,
    Output,
    ScheduleName,
    Seed,
    SkipBadImages,
)
from edgecv.cli.run_command import on_screen, recipe_of

if TYPE_CHECKING:
    from edgecv.cli.console import Screen


def train(
    data: Data = None,
    architecture: Architecture = None,
    schedule: ScheduleName = None,
    epochs: Epochs = None,
    seed: Seed = None,
    recipe: Annotated[str | None, typer.Option(help="Train the baseline of this recipe.")] = None,
    skip_bad_images: SkipBadImages = False,
    output: Output = "exported",
    as_json: AsJson = False,
) -> None:
    """Train a baseline and keep it, its history and its learning curves."""
    options = {
        "data": data,
        "architecture": architecture,
        "schedule": schedule,
        "epochs": epochs,
        "seed": seed,
        "recipe": recipe,
        "skip_bad_images": skip_bad_images,
    }

    def work(screen: "Screen") -> int:
        from edgecv.pipeline import run as pipeline
        from edgecv.pipeline.baseline import read_training
        from edgecv.system.storage import Store

        plan = recipe_of(options)
        folder = pipeline.train(plan, Store.at(output), screen.on_event)
        screen.training(read_training(folder), as_json=as_json)
        return 0

    on_screen(work)
