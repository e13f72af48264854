"""The child's side of the local engine: a process that runs recipes, one after the other."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.core.data import SPLITS
from edgecv.core.errors import InputError
from edgecv.core.events import Event
from edgecv.core.registry import TECHNIQUES
from edgecv.models.training.estimate import seconds_of
from edgecv.pipeline.context import open_run
from edgecv.pipeline.export import check_calibration
from edgecv.pipeline.recipe.recipe import parse_recipe
from edgecv.pipeline.run import compress
from edgecv.pipeline.user_models import UserModel, check_user_model, open_user_model
from edgecv.system.isolation.server import ActionServer, Response
from edgecv.system.storage import Store, check_seal
from edgecv.system.timing_slot import SLOT

IDENTITY = ("train", "validation", "test")
"""Splits that must be the same for a search to go on."""
BATCH = 128
"""Images of a step whose time is taken."""


def main() -> None:
    """Serve requests from standard input until it ends."""
    server = ActionServer("edgecv")
    trials = TrialServer(server)
    server.serve({"run": trials.run, "look": trials.look})


class TrialServer:
    """The actions of an engine's child."""

    def __init__(self, server: ActionServer) -> None:
        self._server = server
        self._log = Path(tempfile.mkstemp(suffix=".log")[1])

    def run(self, recipe: dict[str, Any], root: str, group: str) -> Response:
        """Run a recipe, unless its run is there already, and check its files."""
        parsed, store = parse_recipe(recipe, str(recipe["name"])), Store(Path(root), group)
        place = store.run_folder(parsed.name)
        if not place.exists():
            SLOT.join()
            try:
                with open_run(store, parsed.settings, self._on_event, self._log) as context:
                    compress(parsed, context)
            finally:
                SLOT.leave()
        check_seal(place)
        return {}, []

    def look(self, recipe: dict[str, Any], root: str, candidates: list[Any]) -> Response:
        """Return facts about model and data, and the techniques that do not fit the model."""
        parsed, store = parse_recipe(recipe, str(recipe["name"])), Store(Path(root))
        check_user_model(parsed)
        with open_run(store, parsed.settings, self._on_event, self._log) as context:
            model = open_user_model(parsed, context)
            check_calibration(parsed, model.data)
            data = model.data
            with parsed.baseline.trusted.scope():
                found = tried_techniques(model, candidates)
            return {
                "images": {name: len(data.split(name)) for name in SPLITS},
                "sha256": {name: data.split(name).sha256 for name in IDENTITY},
                "has_labels": data.has_labels,
                **found,
            }, []

    def _on_event(self, event: Event) -> None:
        self._server.heartbeat()
        SLOT.give_way(event)


def tried_techniques(model: UserModel, tables: list[Any]) -> dict[str, Any]:
    """Return why techniques cannot be applied, "" for those that can, and the cost of a step."""
    techniques = [TECHNIQUES.parse(table, "search") for table in tables]
    try:
        separate = model.recipe.task.separated(model.untrained)
    except InputError as error:
        return {"unfit": [error.reason] * len(techniques), "parameters": 0, "seconds_a_step": 0.0}
    unfit = []
    for technique in techniques:
        try:
            technique.check_model(separate)
            unfit.append("")
        except InputError as error:
            unfit.append(error.reason)
    images = np.asarray(model.data.test.images[:BATCH], np.float32)
    seconds = seconds_of(lambda: separate(images, training=False)) * BATCH / len(images)
    return {"unfit": unfit, "parameters": separate.count_params(), "seconds_a_step": seconds}
