"""The engine on a Ray cluster: each trial is a task, tried again where its node is lost."""

import os
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecv.core.closing import Closing
from edgecv.core.errors import InputError, RuntimeFailure, StepError
from edgecv.core.events import Event, OnEvent
from edgecv.core.plugins import Technique
from edgecv.core.report import Report
from edgecv.core.text import counted
from edgecv.pipeline.judge_again import can_be_judged_again, is_judged_by
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.search.engines.contract import (
    Further,
    MayBegin,
    ModelAndData,
    UnfitMachine,
    always,
    no_further,
)
from edgecv.pipeline.search.engines.local import BYTES_A_WORKER, CORES_A_WORKER, TrialClient
from edgecv.pipeline.search.engines.ray.cluster import (
    RayNode,
    connect,
    first_sentence,
    nodes,
    on_node,
    ray,
)
from edgecv.pipeline.search.engines.ray.head import SearchHead
from edgecv.pipeline.search.engines.ray.node import (
    Delivery,
    Order,
    check_data,
    environment_of,
    run_trial,
)
from edgecv.pipeline.search.engines.ray.node_files import without_network_teacher
from edgecv.pipeline.search.engines.ray.node_look import NodeLook, check_packages
from edgecv.pipeline.search.engines.ray.node_watch import NodeWatch
from edgecv.pipeline.search.engines.ray.software import installed
from edgecv.pipeline.search.named_files import hashes_of
from edgecv.reports.json_file import read_report
from edgecv.system.isolation.typed_errors import error_of
from edgecv.system.storage import Store, check_seal

ATTEMPTS = 5
"""Nodes that a trial may lose before it counts as failed."""
LOOK_S = 1.0
"""Time between two looks at whether trials may still begin."""


@dataclass(frozen=True)
class TrialTimes:
    """Seconds that a trial took on its node, and of the processor of the head for its run."""

    trial_s: float
    received_s: float


class RayEngine(Closing):
    """Tasks on an existing Ray cluster, ``at_a_time`` of them submitted at a time."""

    def __init__(self, store: Store, address: str, at_a_time: int, on_event: OnEvent) -> None:
        self._store, self._on_event = store, on_event
        self._is_own = connect(address)
        library = ray()
        try:
            self._nodes = self._fit()
        except InputError:
            if self._is_own:
                library.shutdown()
            raise
        cores = min(CORES_A_WORKER, *(each.cpus for each in self._nodes))
        self._needs = {"num_cpus": cores, "memory": BYTES_A_WORKER, "max_retries": 0}
        self._head = (
            library.remote(SearchHead)
            .options(
                num_cpus=0, scheduling_strategy=on_node(library.get_runtime_context().get_node_id())
            )
            .remote(str(store.root.absolute()))
        )
        self._task = library.remote(run_trial)
        self._sha256: dict[str, str] = {}
        self._files: dict[str, str] = {}
        self._watch = NodeWatch(lambda: self._has_nodes(), self._say)
        self._processors: set[str] = set()
        self.times: list[TrialTimes] = []
        self._threads = ThreadPoolExecutor(at_a_time)
        self._is_closed = False

    def _fit(self) -> list[RayNode]:
        """Return the nodes that a trial fits on. Raises InputError where there is none."""
        found = nodes()
        fit = [each for each in found if each.memory_bytes >= BYTES_A_WORKER]
        if not fit:
            raise InputError(
                "--engine ray",
                f"none of {counted(len(found), 'node')} with processors has the memory of a trial",
                accepted=f"nodes with {BYTES_A_WORKER / 2**30:.0f} GiB or more, and a processor",
                remedy="see ray status",
            )
        return fit

    def _has_nodes(self) -> bool:
        """Return True while a node lives that a trial fits on."""
        return any(each.memory_bytes >= BYTES_A_WORKER for each in nodes())

    @property
    def workers(self) -> int:
        """Trials that the nodes of now can run at a time."""
        cores = self._needs["num_cpus"]
        return sum(
            int(min(each.cpus // cores, each.memory_bytes // BYTES_A_WORKER))
            for each in self._nodes
        )

    def published(self) -> dict[str, int]:
        """Return how many times each stage was made on the nodes."""
        found: dict[str, int] = ray().get(self._head.published.remote())
        return found

    def close(self) -> None:
        """End all tasks: what had come back is in the store."""
        if self._is_closed:
            return
        self._is_closed = True
        # Before the connection ends: a call without one would start a cluster.
        self._threads.shutdown(cancel_futures=True)
        ray().kill(self._head)
        if self._is_own:
            ray().shutdown()

    def look(self, recipe: Recipe, candidates: Sequence[Technique]) -> ModelAndData:
        """Open model and data here and on each node, with the same versions, model and data."""
        check_packages(self._nodes)
        self._files = hashes_of(recipe)
        on_nodes = NodeLook(self._nodes, self._order(without_network_teacher(recipe), "look"))
        with TrialClient(self._store) as client:
            found = client.look(recipe, candidates)
        self._sha256 = found.sha256
        for node, delivery in on_nodes.deliveries():
            self._check(delivery)
            check_data(node.name, delivery.sha256, found.sha256)
        self._say(f"{counted(len(self._nodes), 'node')}: {', '.join(n.name for n in self._nodes)}")
        return found

    def submit(
        self, recipe: Recipe, may_begin: MayBegin = always, further: Further = no_further
    ) -> Future[Report | None]:
        """Run a recipe on a node: see ``Engine``."""
        return self._threads.submit(self._run_both, recipe, may_begin, further)

    def _run_both(self, recipe: Recipe, may_begin: MayBegin, further: Further) -> Report | None:
        report = self._run(recipe, may_begin)
        after = None if report is None else further(report)
        return report if after is None else self._run(after, always)

    def _run(self, recipe: Recipe, may_begin: MayBegin) -> Report | None:
        place = self._store.run_folder(recipe.name)
        began = time.thread_time()  # Other threads receive runs while this one waits.
        report = _stored_report(place, recipe)
        if report is None:
            if not may_begin():
                return None
            delivery = self._delivered(recipe, may_begin)
            self._check(delivery)
            if delivery.run is None:
                return None
            self._store.receive(place, delivery.run, replace=True)
            check_seal(place)
            self.times.append(TrialTimes(delivery.seconds, time.thread_time() - began))
            return read_report(place)
        if is_judged_by(report, recipe):
            return report
        with TrialClient(self._store) as client:  # It judges the run that is here, and no more.
            return client.run(recipe)

    def _delivered(self, recipe: Recipe, may_begin: MayBegin) -> Delivery:
        """Return what a node delivers; a trial whose node is lost begins again on another."""
        library, cause = ray(), ""
        for attempt in range(ATTEMPTS):
            order = self._order(recipe, f"{recipe.name}/{attempt}")
            reference = self._task.options(**self._needs).remote(order, self._head)
            try:
                return self._waited_for(reference, may_begin)
            except library.exceptions.RayTaskError:
                raise  # A bug of ours: it would come again.
            except library.exceptions.RayError as error:
                cause = first_sentence(error)
                self._say(f"{recipe.name} was lost with its node, and begins again: {cause}")
            finally:
                self._head.release.remote(order.holder)
        raise RuntimeFailure(recipe.name, f"was lost with its node {ATTEMPTS} times: {cause}")

    def _waited_for(self, reference: Any, may_begin: MayBegin) -> Delivery:
        library = ray()
        while not library.wait([reference], timeout=LOOK_S)[0]:
            if self._is_closed:
                library.cancel(reference, force=True)
                raise StepError("the search", "was ended")
            if not may_begin():
                self._head.begin_no_more.remote()
            self._watch.look()
        found: Delivery = library.get(reference)
        return found

    def _order(self, recipe: Recipe, holder: str) -> Order:
        return Order(
            recipe=recipe.table(),
            group=self._store.group,
            holder=holder,
            folder=os.getcwd(),
            software=installed(),
            sha256=self._sha256,
            files=self._files,
            code=recipe.baseline.own_code.code_sha256(),
            environment=environment_of(recipe),
        )

    def _check(self, delivery: Delivery) -> None:
        """Raise the error that a node delivers; say once that times are of several processors."""
        if delivery.error is not None:
            error = error_of(delivery.error)
            if delivery.is_unfit:
                raise UnfitMachine(error.where, error.found, remedy=error.remedy)
            raise error
        before = len(self._processors)
        self._processors |= {delivery.processor} - {""}
        if before == 1 and len(self._processors) > 1:
            self._say(
                f"times are of {' and '.join(sorted(self._processors))}: they are not comparable"
            )

    def _say(self, message: str) -> None:
        self._on_event(Event("search", message))


def _stored_report(place: Path, recipe: Recipe) -> Report | None:
    """Return the report of a recipe's run that is judged by its limits, or can be; or None."""
    if not place.exists():
        return None
    check_seal(place)
    report = read_report(place)
    serves = is_judged_by(report, recipe) or can_be_judged_again(report, recipe)
    return report if serves else None
