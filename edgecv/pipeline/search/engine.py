"""The local engine: child processes on this machine that run recipes."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Protocol

from edgecv.core.closing import Closing
from edgecv.core.errors import EdgecvError
from edgecv.core.plugins import Technique
from edgecv.core.registry import TECHNIQUES
from edgecv.core.report import Report
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.reports.json_file import read_report
from edgecv.system.isolation.client import ProcessClient
from edgecv.system.isolation.process import ChildProcess, ChildProgram
from edgecv.system.isolation.protocol import Frame
from edgecv.system.isolation.request import Request
from edgecv.system.isolation.typed_errors import TYPED_ERRORS
from edgecv.system.storage import Store

PROGRAM = ChildProgram(
    "edgecv.pipeline.search.server", stages=("running it",), start_s=180.0, errors=TYPED_ERRORS
)
SILENCE_S = 3600.0
"""Longest time between two events of a run."""
CORES_A_WORKER = 4
"""A training of a small network gains little from more."""
BYTES_A_WORKER = 3 * 2**30
"""TensorFlow in three processes, with the images."""

Done = Callable[[Recipe, "Result"], None]
Result = Report | EdgecvError
"""The report of a run, or why there is none."""


@dataclass(frozen=True)
class ModelAndData:
    """Facts about the model and the data of a search."""

    images: dict[str, int]
    """Images of each split."""
    sha256: dict[str, str]
    """Hash of each split."""
    has_labels: bool
    unfit: list[str]
    """The reason, for each technique that was asked for, that the model cannot take it, or ""."""
    parameters: int
    """Parameters of the model; 0 where it cannot be trained."""
    seconds_a_step: float
    """Time of the outputs of a batch; 0 where the model cannot be trained."""


class Engine(Protocol):
    """Runs recipes somewhere, and brings their runs into the store."""

    def look(self, recipe: Recipe, candidates: Sequence[Technique]) -> ModelAndData:
        """Open model and data of a recipe, and try which techniques fit."""

    def run_all(
        self, recipes: Sequence[Recipe], done: Done, may_begin: Callable[[], bool] = lambda: True
    ) -> None:
        """Run recipes; ``done`` is called in this thread with each one that has ended.

        None is begun any more where ``may_begin`` returns False.
        """


class TrialClient(ProcessClient[ChildProcess]):
    """One child that runs recipes; it is replaced where one of them has killed it."""

    def __init__(self, store: Store) -> None:
        super().__init__("the process of the trial")
        self._store = store

    def start(self) -> None:
        """Start the child, unless there is one."""
        self._started()

    def run(self, recipe: Recipe) -> Report:
        """Run a recipe and return its report. Raises an error with the cause of its failure."""
        self._request("run", recipe, group=self._store.group)
        return read_report(self._store.run_folder(recipe.name))

    def look(self, recipe: Recipe, candidates: Sequence[Technique]) -> ModelAndData:
        """Return facts about the model and the data of a recipe."""
        tables = [TECHNIQUES.table(each) for each in candidates]
        return ModelAndData(**self._request("look", recipe, candidates=tables))

    def _request(self, action: str, recipe: Recipe, **arguments: Any) -> dict[str, Any]:
        def read(frame: Frame) -> dict[str, Any]:
            return {key: each for key, each in frame.header.items() if key != "kind"}

        root = str(self._store.root.absolute())
        given = {"recipe": recipe.table(), "root": root, **arguments}
        request = Request(action, given, read, [recipe.name], [], SILENCE_S)
        return self._ask(request, self._started)

    def _started(self) -> ChildProcess:
        if self._child is None or not self._child.is_alive:
            self._discard()
            self._child = ChildProcess(PROGRAM, {})
        return self._child


class LocalEngine(Closing):
    """Child processes on this machine, ``workers`` at a time."""

    def __init__(self, store: Store, workers: int) -> None:
        self._clients = [TrialClient(store) for _ in range(workers)]

    def close(self) -> None:
        """End all child processes: what they had finished is in the store."""
        for client in self._clients:
            client.close()

    def look(self, recipe: Recipe, candidates: Sequence[Technique]) -> ModelAndData:
        """Open model and data of a recipe, and try which techniques fit."""
        return self._clients[0].look(recipe, candidates)

    def run_all(
        self, recipes: Sequence[Recipe], done: Done, may_begin: Callable[[], bool] = lambda: True
    ) -> None:
        """Run recipes: see ``Engine``."""
        ended: SimpleQueue[tuple[Recipe, Result | BaseException | None]] = SimpleQueue()
        idle: SimpleQueue[TrialClient] = SimpleQueue()
        for client in self._clients:
            idle.put(client)

        def work(recipe: Recipe) -> None:
            client = idle.get()
            try:
                ended.put((recipe, client.run(recipe) if may_begin() else None))
            except BaseException as error:  # noqa: BLE001  told in the thread that waits
                ended.put((recipe, error))
            finally:
                idle.put(client)

        with ThreadPoolExecutor(len(self._clients)) as threads:
            try:
                for recipe in recipes:
                    threads.submit(work, recipe)
                for _ in recipes:
                    recipe, result = ended.get()
                    if isinstance(result, Report | EdgecvError):
                        done(recipe, result)
                    elif result is not None:
                        raise result
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                self.close()
                raise


def usual_workers() -> int:
    """Return as many workers as cores and memory allow."""
    import psutil

    memory = int(psutil.virtual_memory().available // BYTES_A_WORKER)
    return max(1, min((os.cpu_count() or 1) // CORES_A_WORKER, memory))
