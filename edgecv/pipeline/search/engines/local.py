"""The local engine: child processes on this machine that run recipes."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

from edgecv.core.closing import Closing
from edgecv.core.plugins import Technique
from edgecv.core.registry import TECHNIQUES
from edgecv.core.report import Report
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.search.engines.contract import (
    Further,
    MayBegin,
    ModelAndData,
    always,
    no_further,
)
from edgecv.reports.json_file import read_report
from edgecv.system.isolation.client import ProcessClient
from edgecv.system.isolation.process import ChildProcess, ChildProgram
from edgecv.system.isolation.protocol import Frame
from edgecv.system.isolation.request import Answer, Request
from edgecv.system.isolation.typed_errors import TYPED_ERRORS
from edgecv.system.storage import Store

PROGRAM = ChildProgram(
    "edgecv.pipeline.search.engines.trial_server",
    stages=("running it",),
    start_s=180.0,
    errors=TYPED_ERRORS,
)
SILENCE_S = 3600.0
"""Longest time between two events of a run."""
CORES_A_WORKER = 4
"""A training of a small network gains little from more."""
BYTES_A_WORKER = 3 * 2**30
"""TensorFlow in three processes, with the images."""


class TrialClient(ProcessClient[ChildProcess]):
    """One child that runs recipes; it is replaced where one of them has killed it."""

    def __init__(self, store: Store, environment: Mapping[str, str] | None = None) -> None:
        super().__init__("the process of the trial")
        self._store, self._environment = store, environment

    def start(self) -> None:
        """Start the child, unless there is one."""
        self._started()

    def run(self, recipe: Recipe, on_question: Answer | None = None) -> Report:
        """Run a recipe and return its report. Raises an error with the cause of its failure.

        ``on_question`` answers what a store asks that shares its stages with others.
        """
        group, shares = self._store.group, on_question is not None
        self._request("run", recipe, on_question, group=group, shares=shares)
        return read_report(self._store.run_folder(recipe.name))

    def look(self, recipe: Recipe, candidates: Sequence[Technique]) -> ModelAndData:
        """Return facts about the model and the data of a recipe."""
        tables = [TECHNIQUES.table(each) for each in candidates]
        return ModelAndData(**self._request("look", recipe, candidates=tables))

    def _request(
        self, action: str, recipe: Recipe, on_question: Answer | None = None, **arguments: Any
    ) -> dict[str, Any]:
        def read(frame: Frame) -> dict[str, Any]:
            return {key: each for key, each in frame.header.items() if key != "kind"}

        root = str(self._store.root.absolute())
        given = {"recipe": recipe.table(), "root": root, **arguments}
        request = Request(
            action, given, read, [recipe.name], [], SILENCE_S, on_question=on_question
        )
        return self._ask(request, self._started)

    def _started(self) -> ChildProcess:
        if self._child is None or not self._child.is_alive:
            self._discard()
            self._child = ChildProcess(PROGRAM, {}, environment=self._environment)
        return self._child


class LocalEngine(Closing):
    """Child processes on this machine, ``workers`` at a time."""

    def __init__(self, store: Store, workers: int) -> None:
        self._clients = [TrialClient(store) for _ in range(workers)]
        self._idle: SimpleQueue[TrialClient] = SimpleQueue()
        for client in self._clients:
            self._idle.put(client)
        self._threads = ThreadPoolExecutor(workers)

    @property
    def workers(self) -> int:
        """Child processes."""
        return len(self._clients)

    def close(self) -> None:
        """End all child processes: what they had finished is in the store."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for client in self._clients:
            client.close()
        self._threads.shutdown()

    def look(self, recipe: Recipe, candidates: Sequence[Technique]) -> ModelAndData:
        """Open model and data of a recipe, and try which techniques fit."""
        return self._clients[0].look(recipe, candidates)

    def submit(
        self, recipe: Recipe, may_begin: MayBegin = always, further: Further = no_further
    ) -> Future[Report | None]:
        """Run a recipe once a child is idle: see ``Engine``."""
        return self._threads.submit(self._run, recipe, may_begin, further)

    def _run(self, recipe: Recipe, may_begin: MayBegin, further: Further) -> Report | None:
        client = self._idle.get()
        try:
            if not may_begin():
                return None
            report = client.run(recipe)
            after = further(report)
            return report if after is None else client.run(after)
        finally:
            self._idle.put(client)


def usual_workers() -> int:
    """Return as many workers as cores and memory allow."""
    import psutil

    memory = int(psutil.virtual_memory().available // BYTES_A_WORKER)
    return max(1, min((os.cpu_count() or 1) // CORES_A_WORKER, memory))
