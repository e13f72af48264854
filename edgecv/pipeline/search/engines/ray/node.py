"""A trial on a node: a child process runs it, and its stages come from the head and go there.

Ray's worker starts the child, waits for it and sends bytes. Nothing of TensorFlow is in the worker,
and no worker is in a child: each can be killed without the other.
"""

import os
import shutil
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from edgecv.core.data import SPLITS
from edgecv.core.errors import EdgecvError
from edgecv.datasets.cache_settings import variables_of
from edgecv.pipeline.recipe.recipe import Recipe, parse_recipe
from edgecv.pipeline.search.engines.contract import UnfitMachine
from edgecv.pipeline.search.engines.local import TrialClient
from edgecv.pipeline.search.engines.ray.head import THERE
from edgecv.pipeline.search.engines.ray.node_files import PATHS, check_code, check_files
from edgecv.pipeline.search.engines.ray.software import Software, installed
from edgecv.system.isolation.typed_errors import parts_of
from edgecv.system.storage import Store, bytes_of, pack
from edgecv.system.temporary import session_folder

SET_BY_RAY = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
"""Variables that Ray sets in its workers; a child is to run as it would without Ray."""
MOST_BYTES_KEPT = 4 * 2**30
"""Stages that a worker keeps for its next trials; the head has all of them."""


def environment_of(recipe: Recipe) -> dict[str, str]:
    """Return the variables of this machine that a child on a node is to have too."""
    own = recipe.settings
    cache = variables_of(own.cache, own.cache_limit, is_off=own.no_cache)
    return {key: os.environ[key] for key in SET_BY_RAY if key in os.environ} | cache


@dataclass(frozen=True)
class Order:
    """The order of a trial, or of a look at model and data, for a node."""

    recipe: Mapping[str, Any]
    group: str
    holder: str
    """Name of this attempt."""
    folder: str
    """Working folder of the search, which relative paths start from."""
    software: Software
    """Python and packages on the machine of the search."""
    sha256: Mapping[str, str]
    """Hashes of the splits that the search is about; empty where they are not known yet."""
    files: Mapping[str, str]
    """Hashes of the files that the recipe names, on the machine of the search, by path."""
    code: str
    """Hash of the user's own code there; empty without any."""
    environment: Mapping[str, str]
    """As ``environment_of`` says."""

    @cached_property
    def parsed(self) -> Recipe:
        """The recipe."""
        return parse_recipe(self.recipe, str(self.recipe["name"]))


@dataclass(frozen=True)
class Delivery:
    """The delivery of a node: a run, an error, or nothing where it did not begin."""

    node: str
    run: bytes | None = None
    sha256: Mapping[str, str] = field(default_factory=dict)
    error: Mapping[str, str] | None = None
    is_unfit: bool = False
    """True where the error is of the node, and not of the recipe."""
    processor: str = ""
    seconds: float = 0.0
    """Time that the run took on the node."""


class NodeWorker:
    """The child and the store of one worker process of Ray, kept from one trial to the next."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.root = session_folder() / "store"
        kept = {key: each for key, each in os.environ.items() if key not in SET_BY_RAY}
        self._environment = {**kept, **environment}
        self._client: TrialClient | None = None
        self._group = ""
        self._checked: Mapping[str, str] = {}
        # Ray gives the processors of a task away while its main thread waits for an object.
        self._asking = ThreadPoolExecutor(1)

    def client(self, group: str) -> TrialClient:
        """Return the child for the runs of a group."""
        if self._client is None or group != self._group:
            if self._client is not None:
                self._client.close()
            self._client = TrialClient(Store(self.root, group), self._environment)
            self._group = group
        return self._client

    def check_files(self, node: str, own: Mapping[str, str]) -> None:
        """Raise UnfitMachine where a file that the recipe names is another here; looks once."""
        if own != self._checked:
            check_files(node, own)
            self._checked = own

    def get(self, reference: Any) -> Any:
        """Return the value of a reference."""
        import ray

        return self._asking.submit(ray.get, reference).result()

    def run(self, order: Order, head: Any) -> bytes:
        """Run a recipe and return its run, which is removed here."""

        def on_question(question: Mapping[str, Any]) -> Mapping[str, Any]:
            kind, name = str(question["stage"]), str(question["name"])
            store = Store(self.root)
            try:
                if question["do"] == "publish":
                    content = pack(store.place(kind, name))
                    self.get(head.publish.remote(kind, name, content))
                    return {"state": THERE}
                state = self.get(head.claim.remote(kind, name, order.holder))
                if state == THERE:
                    store.receive(store.place(kind, name), self.get(head.fetch.remote(kind, name)))
            except Exception as error:  # noqa: BLE001  the child is told, and its trial fails
                return {"found": f"could not share {kind} {name}: {error}"}
            return {"state": state}

        place = Store(self.root, order.group).run_folder(order.parsed.name)
        shutil.rmtree(place, ignore_errors=True)
        try:
            report = self.client(order.group).run(order.parsed, on_question)
            found = {name: each.sha256 for name, each in report.data.splits.items()}
            check_data(name_of_node(), found, order.sha256, ("train", "calibration"))
            return pack(place)
        finally:
            shutil.rmtree(place, ignore_errors=True)
            if self.root.is_dir() and bytes_of(self.root) > MOST_BYTES_KEPT:
                shutil.rmtree(self.root)


_WORKERS: list[NodeWorker] = []


def run_trial(order: Order, head: Any) -> Delivery:
    """Run a recipe in this worker of Ray."""

    def work(worker: NodeWorker, node: str) -> Delivery:
        if not worker.get(head.begin.remote()):
            return Delivery(node)
        began = time.monotonic()
        run = worker.run(order, head)
        seconds = time.monotonic() - began
        return Delivery(node, run, processor=installed().processor, seconds=seconds)

    return _at_work(order, work)


def look_at_data(order: Order) -> Delivery:
    """Open model and data of a recipe in this worker of Ray."""

    def work(worker: NodeWorker, node: str) -> Delivery:
        facts = worker.client(order.group).look(order.parsed, [])
        return Delivery(node, sha256=facts.sha256, processor=installed().processor)

    return _at_work(order, work)


def _at_work(order: Order, work: Callable[[NodeWorker, str], Delivery]) -> Delivery:
    """Return what ``work`` delivers, or the error with its parts."""
    node = name_of_node()
    if os.path.isdir(order.folder):
        os.chdir(order.folder)
    if not _WORKERS:
        _WORKERS.append(NodeWorker(order.environment))
    try:
        check_software(node, installed(), order.software)
        _WORKERS[0].check_files(node, order.files)
        check_code(node, order.parsed.baseline.own_code, order.code)
        return work(_WORKERS[0], node)
    except EdgecvError as error:
        return Delivery(node, error=parts_of(error), is_unfit=isinstance(error, UnfitMachine))


def check_software(node: str, found: Software, own: Software) -> None:
    """Raise UnfitMachine where a node has other versions than the machine of the search."""
    if difference := own.difference(found):
        raise UnfitMachine(f"node {node}", difference, remedy="install the same on all machines")


def check_data(
    node: str,
    found: Mapping[str, str],
    own: Mapping[str, str],
    splits: Collection[str] = SPLITS,
) -> None:
    """Raise UnfitMachine where a node reads other images: compares the hashes of splits."""
    for split in splits:
        if split in own and found.get(split) != own[split]:
            raise UnfitMachine(f"node {node}", f"has other {split} images", remedy=PATHS)


def name_of_node() -> str:
    """Return the name of the node of this worker, as ``nodes`` has it."""
    import ray

    return f"{os.uname().nodename} ({ray.get_runtime_context().get_node_id()[:8]})"
