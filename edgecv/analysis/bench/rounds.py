"""Rounds of a bench: fresh processes of all files, which take turns."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import product, starmap
from pathlib import Path

import numpy as np

from edgecv.analysis.bench.records import Combination
from edgecv.analysis.described_files import described_input, report_in
from edgecv.analysis.options import BenchOptions
from edgecv.analysis.timing_noise import Disturbances
from edgecv.core.artifact import ModelStart
from edgecv.core.comparison import Blocks
from edgecv.core.errors import RuntimeFailure, UnsuitableFile
from edgecv.core.text import counted, were
from edgecv.formats.lookup import runtime_of_file
from edgecv.pipeline.context import AnalysisContext
from edgecv.system.cpu import least_busy
from edgecv.system.isolation import ModelClient
from edgecv.system.isolation.timing import runs_a_block

FEWEST_PROCESSES = 3
"""Processes of each file, even where they take longer than the budget."""
FEWEST_BLOCKS = 4
"""Blocks of a file in each process."""
MOST_SILENCE_S = 30.0
"""Longest silence of a child, where the budget is not longer."""
LONGEST_WARM_UP_S, SHORTEST_WARM_UP_S = 1.0, 0.1
WARM_UP_SHARE = 0.03
"""Longest warm-up of one file in one process, as a share of the budget."""
TIMING_SHARE = 0.5
"""Timing of a process, as a share of the time that opening has taken."""
LEAST_TIMING_S = 0.03
"""Timing of one file in one process, even where that takes longer than the budget."""
LOOK_S = 0.1
"""Time of looking for the least busy cores before each round."""


@dataclass
class _File:
    """A file that is open in its child."""

    combination: Combination
    worker: ModelClient
    start: ModelStart
    runs: int = 1
    blocks: list[Blocks] = field(default_factory=list)


@dataclass
class Bench:
    """Files that are timed in rounds, each combination of a file with fresh processes."""

    paths: Sequence[Path]
    settings: BenchOptions
    context: AnalysisContext
    failures: dict[Combination, str] = field(default_factory=dict)
    causes: list[RuntimeFailure] = field(default_factory=list)
    blocks: dict[Combination, list[Blocks]] = field(default_factory=dict)
    """Blocks of each process of a file."""
    starts: dict[Combination, list[ModelStart]] = field(default_factory=dict)
    """The start of each process of a file, where several combinations are timed."""
    disturbances: Disturbances = field(default_factory=Disturbances)

    @property
    def combinations(self) -> list[Combination]:
        """The files with each number of threads and images a call, in the order of the files."""
        return list(
            starmap(Combination, product(self.paths, self.settings.threads, self.settings.batch))
        )

    def run(self) -> None:
        """Time the files in rounds until the budget is used."""
        began, number, budget_s = time.monotonic(), 0, self.settings.budget
        while self.alive():
            spent = time.monotonic() - began
            if number >= FEWEST_PROCESSES and spent * (number + 1) / number > budget_s:
                return
            needed = max(1, FEWEST_PROCESSES - number)
            self.round(number, (budget_s - spent) / needed)
            number += 1

    def drop(self, combination: Combination, failure: RuntimeFailure) -> None:
        """Leave out what cannot be timed."""
        self.failures[combination] = failure.reason
        self.causes.append(failure)

    def alive(self) -> list[Combination]:
        """Return what is timed."""
        return [each for each in self.combinations if each not in self.failures]

    def round(self, number: int, most_s: float) -> None:
        """Open the files in fresh processes and time them, for half as long as opening has taken.

        More processes say more than longer ones. Every other round opens them in reverse order.
        """
        began, cores = time.monotonic(), least_busy(max(self.settings.threads), LOOK_S)
        combinations = self.alive()[:: 1 if number % 2 == 0 else -1]
        self.announce(len(combinations), number)
        with self._fresh(combinations) as workers:
            files = self._warmed_up(workers, cores)
            opening_s = time.monotonic() - began
            budget_s = min(TIMING_SHARE * opening_s, most_s - opening_s)
            pids = [file.worker.pid for file in files if file.worker.pid is not None]
            with self.disturbances.watched(cores, pids):
                self._time(files, max(budget_s, LEAST_TIMING_S * len(files)))
        for file in files:
            if file.combination not in self.failures:
                self.blocks.setdefault(file.combination, []).append(np.array(file.blocks))
                if self.settings.is_grid:
                    self.starts.setdefault(file.combination, []).append(file.start)

    def announce(self, count: int, number: int) -> None:
        """Report the start of a round."""
        noun = "combination" if self.settings.is_grid else "file"
        self.context.emit("latency", f"timing {counted(count, noun)} in turn", number + 1)

    @contextmanager
    def _fresh(
        self, combinations: Sequence[Combination]
    ) -> Iterator[dict[Combination, ModelClient]]:
        silence_s = max(MOST_SILENCE_S, self.settings.budget)
        with ExitStack() as stack:
            yield {
                each: stack.enter_context(
                    ModelClient(
                        runtime_of_file(each.path).name,
                        each.threads,
                        time_limit_s=silence_s,
                        log=self.context.log,
                    )
                )
                for each in combinations
            }

    def _warmed_up(
        self, workers: dict[Combination, ModelClient], cores: Sequence[int]
    ) -> list[_File]:
        files = []
        longest_s = WARM_UP_SHARE * self.settings.budget
        for each, worker in workers.items():
            path = each.path
            try:
                start = worker.warm_up_random(
                    path,
                    batch=each.batch,
                    input_spec=described_input(
                        path, self.settings.input_spec, report_in(path.parent)
                    ),
                    cores=cores[: each.threads],
                    longest_s=min(max(longest_s, SHORTEST_WARM_UP_S), LONGEST_WARM_UP_S),
                    is_start_timed=self.settings.is_grid,
                )
                if self.settings.is_grid:
                    _check_batch(each, start.images_of_a_call)
                files.append(_File(each, worker, start))
            except RuntimeFailure as failure:
                self.drop(each, failure)
                worker.close()
        return files

    def _time(self, files: Sequence[_File], budget_s: float) -> None:
        """Time the files in turn until the budget is used, at least ``FEWEST_BLOCKS`` each."""
        for file in files:
            share_s = budget_s / len(files)
            file.runs = runs_a_block(file.start.median_s, share_s, FEWEST_BLOCKS, FEWEST_BLOCKS)
        began, turn = time.monotonic(), 0
        while turn < FEWEST_BLOCKS or time.monotonic() - began < budget_s:
            # Forwards and backwards in turn, so that no file always follows the same other file.
            alive = [file for file in files if file.combination not in self.failures]
            if not alive:
                return
            for file in alive if turn % 2 == 0 else alive[::-1]:
                try:
                    file.blocks.append(file.worker.time_block(file.combination.path, file.runs))
                except RuntimeFailure as failure:
                    self.drop(file.combination, failure)
            turn += 1


def _check_batch(combination: Combination, images: int) -> None:
    """Raise UnsuitableFile where a call takes other images than those of its combination."""
    if images != combination.batch:
        raise UnsuitableFile(
            str(combination.path),
            f"its batch is fixed at {images}, and {counted(combination.batch, 'image')}"
            f" {were(combination.batch)} given",
            accepted=f"a batch of {images}",
        )
