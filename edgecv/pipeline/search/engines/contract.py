"""The contract of an engine: ``submit(recipe) -> run``, and a look at model and data."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Protocol

from edgecv.core.errors import EdgecvError, InputError, StepError
from edgecv.core.plugins import Technique
from edgecv.core.report import Report
from edgecv.pipeline.recipe.recipe import Recipe

Result = Report | EdgecvError
"""The report of a run, or why there is none."""
Done = Callable[[Recipe, Result], None]
MayBegin = Callable[[], bool]
Further = Callable[[Report], Recipe | None]
"""The recipe to run at once after another, by the report of that one."""


class UnfitMachine(InputError):
    """A machine that cannot take part in a search: no recipe is at fault, and the search ends."""


class LostMachines(StepError):
    """A cluster without machines: no recipe is at fault, and the search ends."""


ENDS_THE_SEARCH = (UnfitMachine, LostMachines)


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
    least_parameters: list[int]
    """For each technique that was asked for, fewest parameters that a model has after it; 0 where
    that is not known."""
    seconds_a_step: float
    """Time of the outputs of a batch; 0 where the model cannot be trained."""


def always() -> bool:
    """Return True: a run may begin at any time."""
    return True


def no_further(report: Report) -> None:
    """Run nothing after a recipe."""


class Engine(Protocol):
    """Runs recipes somewhere, and brings their runs into the store."""

    def look(self, recipe: Recipe, candidates: Sequence[Technique]) -> ModelAndData:
        """Open model and data of a recipe, and try which techniques fit."""

    def submit(
        self, recipe: Recipe, may_begin: MayBegin = always, further: Further = no_further
    ) -> Future[Report | None]:
        """Run a recipe as soon as there is room; its report is that of the run in the store.

        None where ``may_begin`` returned False before it began. Where ``further`` returns another
        recipe for the report, that one is run in the same place, and its report is the result. What
        fails is an EdgecvError.
        """

    @property
    def workers(self) -> int:
        """Recipes that it runs at a time."""

    def close(self) -> None:
        """End everything that runs: what had finished is in the store."""


@dataclass(frozen=True)
class Submission:
    """A recipe to run, whether it may begin, and what is run after it."""

    recipe: Recipe
    may_begin: MayBegin = always
    further: Further = no_further


def run_all(engine: Engine, submissions: Sequence[Submission], done: Done) -> None:
    """Run recipes; ``done`` is called in this thread with each one that has ended, in that order.

    The engine is closed where an error, or Ctrl-C, ends this before them.
    """
    ended: SimpleQueue[tuple[Recipe, Future[Report | None]]] = SimpleQueue()

    def on_done(recipe: Recipe, future: Future[Report | None]) -> None:
        ended.put((recipe, future))

    try:
        for each in submissions:
            future = engine.submit(each.recipe, each.may_begin, each.further)
            future.add_done_callback(partial(on_done, each.recipe))
        for _ in submissions:
            recipe, future = ended.get()
            error = future.exception()
            if isinstance(error, EdgecvError) and not isinstance(error, ENDS_THE_SEARCH):
                done(recipe, error)
            elif (report := future.result()) is not None:
                done(recipe, report)
    except BaseException:
        engine.close()
        raise
