"""The child's side of an engine: a process that runs recipes, one after the other."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.core.data import SPLITS
from edgecv.core.errors import InputError, StepError
from edgecv.core.events import Event
from edgecv.core.registry import TECHNIQUES
from edgecv.models.training.estimate import seconds_of
from edgecv.pipeline.context import open_run
from edgecv.pipeline.export import check_calibration
from edgecv.pipeline.judge_again import can_be_judged_again, is_judged_by, judge_stored
from edgecv.pipeline.recipe.checks import check_limits
from edgecv.pipeline.recipe.recipe import parse_recipe
from edgecv.pipeline.run import compress
from edgecv.pipeline.teacher import RunTeacher
from edgecv.pipeline.user_models import UserModel, check_user_model, open_user_model
from edgecv.reports.json_file import read_report
from edgecv.system.isolation.server import ActionServer, Response
from edgecv.system.storage import Store, check_seal
from edgecv.system.timing_slot import SLOT

BATCH = 128
"""Images of a step whose time is taken."""

WAIT_S = 0.5
"""Time between two questions for a stage that another store is making."""


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

    def run(self, recipe: dict[str, Any], root: str, group: str, shares: bool) -> Response:
        """Run a recipe, or judge its run that is there by other limits, and check its files.

        A run that cannot be judged again, or is of another recipe, is replaced.
        ``shares``: the parent knows other stores that make the same stages.
        """
        parsed = parse_recipe(recipe, str(recipe["name"]))
        store = Store(Path(root), group, ParentSharing(self._server) if shares else None)
        place = store.run_folder(parsed.name)
        stored = read_report(place) if place.exists() else None
        if stored is None or not is_judged_by(stored, parsed):
            SLOT.join()
            try:
                with open_run(store, parsed.settings, self._on_event, self._log) as context:
                    if stored is not None and can_be_judged_again(stored, parsed):
                        judge_stored(stored, parsed, context)
                    else:
                        compress(parsed, context, force=stored is not None)
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
            check_limits(model.data, parsed.gates, "[gates]")
            data, found = model.data, NOTHING_TRIED
            with parsed.baseline.trusted.scope():
                if candidates:
                    found = tried_techniques(model, candidates)
                RunTeacher(model).open()
            return {
                "images": {name: len(data.split(name)) for name in SPLITS},
                "sha256": {name: data.split(name).sha256 for name in SPLITS},
                "has_labels": data.has_labels,
                **found,
            }, []

    def _on_event(self, event: Event) -> None:
        self._server.heartbeat()
        SLOT.give_way(event)


class ParentSharing:
    """The stages of other stores, which the parent of this process can reach."""

    def __init__(self, server: ActionServer) -> None:
        self._server = server

    def fetch(self, kind: str, name: str) -> bool:
        """Have the parent bring a stage, once another store has made it; False: make it."""
        with SLOT.idle():
            while (state := self._ask("fetch", kind, name)) == "wait":
                time.sleep(WAIT_S)
        return state == "there"

    def publish(self, kind: str, name: str) -> None:
        """Have the parent give a stage to the other stores."""
        self._ask("publish", kind, name)

    def _ask(self, action: str, kind: str, name: str) -> str:
        answer = self._server.ask({"do": action, "stage": kind, "name": name})
        if "found" in answer:
            raise StepError("the head of the search", str(answer["found"]))
        return str(answer["state"])


NOTHING_TRIED: dict[str, Any] = {
    "unfit": [],
    "least_parameters": [],
    "parameters": 0,
    "seconds_a_step": 0.0,
}


def tried_techniques(model: UserModel, tables: list[Any]) -> dict[str, Any]:
    """Return why techniques cannot be applied, "" for those that can, and the cost of a step."""
    techniques = [TECHNIQUES.parse(table, "search") for table in tables]
    try:
        separate = model.recipe.task.separated(model.untrained)
    except InputError as error:
        count = len(techniques)
        return {**NOTHING_TRIED, "unfit": [error.reason] * count, "least_parameters": [0] * count}
    images = np.asarray(model.data.test.images[:BATCH], np.float32)
    head = model.recipe.task.head(model.data)
    unfit, least = [], []
    for technique in techniques:
        try:
            technique.check_model(separate)
            least.append(technique.least_parameters(separate, images.shape[1:], head))
            unfit.append("")
        except InputError as error:
            least.append(0)
            unfit.append(error.reason)
    seconds = seconds_of(lambda: separate(images, training=False)) * BATCH / len(images)
    return {
        "unfit": unfit,
        "least_parameters": least,
        "parameters": separate.count_params(),
        "seconds_a_step": seconds,
    }
