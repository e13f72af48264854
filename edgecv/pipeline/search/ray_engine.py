"""The engine of a Ray cluster: a task for each recipe, on any node; runs come back whole."""

import hashlib
import json
import os
import socket
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgecv.core.closing import Closing
from edgecv.core.errors import EdgecvError, InputError, RuntimeFailure, StepError
from edgecv.core.plugins import Technique
from edgecv.pipeline.recipe.recipe import Recipe, parse_recipe
from edgecv.pipeline.search.engine import CORES_A_WORKER, Done, ModelAndData, Result, TrialClient
from edgecv.reports.json_file import read_report
from edgecv.system.environment import PACKAGES, environment
from edgecv.system.isolation.typed_errors import TYPED_ERRORS
from edgecv.system.storage import MANIFEST, Store, check_seal, write_bytes

RETRIES = 3
"""Nodes that may die under a task before it counts as failed."""
TOKEN = "shared.token"
"""File in the store by which a node tells that it sees the same folder."""
SECONDS_BETWEEN_LOOKS, SECONDS_TO_ANSWER = 1.0, 5.0
Files = Mapping[str, bytes]


def ray() -> Any:
    """Return the module. Raises InputError that says how it is installed."""
    try:
        import ray
    except ImportError:
        raise InputError("--engine ray", "needs Ray", remedy='pip install "edgecv[ray]"') from None
    return ray


def versions() -> dict[str, str]:
    """Return the versions that decide the bytes of a run."""
    facts = environment()
    return {name: str(facts[name]) for name in ("python", "edgecv", *PACKAGES) if name in facts}


def run_on_node(recipe: Mapping[str, Any], root: str, group: str, token: str) -> dict[str, Any]:
    """Run a recipe on the node of this task; return its files, or why there are none.

    A node that sees the folder of the head writes the run there, and returns no file.
    """
    shared = Path(root) / ".store" / TOKEN
    is_shared = shared.is_file() and shared.read_text("utf-8") == token
    place = Path(root)
    if not is_shared:
        key = hashlib.sha256(f"{root} {group}".encode()).hexdigest()[:16]
        place = Path(tempfile.gettempdir()) / f"edgecv-search-{os.getuid()}" / key
    store, parsed = Store(place, group), parse_recipe(recipe, str(recipe["name"]))
    try:
        with TrialClient(store) as client:
            client.run(parsed)
    except EdgecvError as error:
        name = next(cls.__name__ for cls in type(error).__mro__ if cls.__name__ in TYPED_ERRORS)
        parts = ("where", "found", "accepted", "remedy")
        return {"error": name, **{part: getattr(error, part) for part in parts}}
    folder = store.run_folder(parsed.name)
    paths = [] if is_shared else [each for each in folder.rglob("*") if each.is_file()]
    files = {each.relative_to(folder).as_posix(): each.read_bytes() for each in paths}
    return {"files": files}


class RayEngine(Closing):
    """An existing Ray cluster that runs recipes, as many at a time as its processors allow."""

    def __init__(self, store: Store, address: str) -> None:
        self._ray, self._store = ray(), store
        self._token = uuid.uuid4().hex
        host, _, port = address.removeprefix("ray://").rpartition(":")
        try:
            if host:  # Ray itself tries for minutes.
                socket.create_connection((host, int(port)), timeout=SECONDS_TO_ANSWER).close()
            self._ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except (OSError, RuntimeError, ValueError) as error:
            raise InputError(
                f"--ray-address {address}",
                f"there is no Ray cluster that this process can join: {error}",
                remedy="start one with ray start --head, or leave --engine ray out",
            ) from None
        self._check_nodes(versions())

    def close(self) -> None:
        """Leave the cluster; its tasks of this search end."""
        self._ray.shutdown()

    def look(self, recipe: Recipe, candidates: Sequence[Technique]) -> ModelAndData:
        """Open model and data of a recipe here, and try which techniques fit."""
        with TrialClient(self._store) as client:
            return client.look(recipe, candidates)

    def run_all(
        self, recipes: Sequence[Recipe], done: Done, may_begin: Callable[[], bool] = lambda: True
    ) -> None:
        """Run recipes: see ``Engine``."""
        write_bytes(self._store.place("", TOKEN), self._token.encode())
        cores = self._ray.cluster_resources().get("CPU", 1)
        cores_a_task = min(CORES_A_WORKER, max(1, cores // 2))
        task = self._ray.remote(max_retries=RETRIES, num_cpus=cores_a_task)(run_on_node)
        waiting, running = list(recipes), dict[Any, Recipe]()
        root = str(self._store.root.absolute())
        while waiting or running:
            while waiting and may_begin() and len(running) < max(1, cores // cores_a_task):
                recipe = waiting.pop(0)
                asked = recipe.table(), root, self._store.group, self._token
                running[task.remote(*asked)] = recipe
            if not running:
                return
            ended, _ = self._ray.wait([*running], timeout=SECONDS_BETWEEN_LOOKS)
            for each in ended:
                recipe = running.pop(each)
                done(recipe, self._result(recipe, each))

    def _result(self, recipe: Recipe, task: Any) -> Result:
        """Return the report of a run that a task has brought, or why there is none."""
        try:
            answer = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            return RuntimeFailure(recipe.name, f"its node was lost: {str(error).splitlines()[0]}")
        if "error" in answer:
            error_class = TYPED_ERRORS[answer["error"]]
            parts = {key: answer[key] for key in ("accepted", "remedy")}
            return error_class(answer["where"], answer["found"], **parts)
        place = self._store.run_folder(recipe.name)
        try:
            if answer["files"]:
                self._bring(place, answer["files"])
            check_seal(place)
            return read_report(place)
        except EdgecvError as error:
            return error

    def _bring(self, place: Path, files: Files) -> None:
        """Check the files of a run against its manifest, and write them. Raises StepError."""
        try:
            listed = json.loads(files[MANIFEST])["files"]
            hashes = {name: each["sha256"] for name, each in listed.items()}
        except (KeyError, TypeError, ValueError):
            raise StepError(str(place), "came back from its node without a manifest") from None
        rest = {name: content for name, content in files.items() if name != MANIFEST}
        if hashes != {name: hashlib.sha256(each).hexdigest() for name, each in rest.items()}:
            raise StepError(str(place), "came back from its node as other files than were written")
        with self._store.writing(place, replace=True) as folder:
            for name, content in rest.items():
                target = folder / name
                if not target.resolve().is_relative_to(folder.resolve()):
                    raise StepError(name, "is no file of a run")
                target.parent.mkdir(parents=True, exist_ok=True)
                write_bytes(target, content)

    def _check_nodes(self, here: Mapping[str, str]) -> None:
        """Raise InputError for a node with other versions than those of this process."""
        strategy = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        task = self._ray.remote(num_cpus=0)(versions)
        for node in self._ray.nodes():
            if not node["Alive"]:
                continue
            on_it = task.options(scheduling_strategy=strategy(node["NodeID"], soft=False))
            name = node["NodeManagerAddress"]
            try:
                found = self._ray.get(on_it.remote())
            except self._ray.exceptions.RayError as error:
                found = {"edgecv": f"none that runs ({str(error).splitlines()[-1][:200]})"}
            for package, version in here.items():
                if found.get(package) != version:
                    raise InputError(
                        f"node {name}",
                        f"has {package} {found.get(package, 'missing')}, this machine {version}",
                        remedy=f"install {package} {version} there: results would be other ones",
                    )
