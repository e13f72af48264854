"""Trials on two raylets of this machine, beside the local engine; how it scales; nodes killed.

Run it by itself: ``python tests/benchmarks/ray_trials.py MODEL FOLDER --trials 20 --kills 2``.
MODEL is a Keras model of 8 x 8 digits. It prints whether all runs have the same bits, what was lost
or made twice, and the scaling efficiency simulated from the times of these trials.
"""

import argparse
import heapq
import random
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from ray_nodes import RayNodes, bits, ray_nodes, short_recipes

from edgecv.core.report import Report
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.search.engines.contract import Engine, Result, Submission, run_all
from edgecv.pipeline.search.engines.local import LocalEngine
from edgecv.pipeline.search.engines.ray.engine import RayEngine
from edgecv.system.storage import Store

TRIALS_A_NODE = 10


@dataclass
class Clock:
    """The times at which trials came back."""

    began: float = field(default_factory=time.monotonic)
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def done(self, recipe: Recipe, result: Result) -> None:
        self.seconds.append(time.monotonic() - self.began)
        if not isinstance(result, Report):
            self.errors.append(str(result))
        print(f"{self.seconds[-1]:7.1f} s  {recipe.name}", flush=True)


def timed(engine: Engine, recipes: Sequence[Recipe]) -> Clock:
    clock = Clock()
    run_all(engine, [Submission(each) for each in recipes], clock.done)
    for error in clock.errors:
        print(f"failed: {error}")
    return clock


def kill_at_moments(nodes: RayNodes, count: int, over_s: float, running: Future[Clock]) -> None:
    """Kill a raylet at random moments of the next seconds: in the main thread, as Ray wants."""
    chance = random.Random(0)
    began = time.monotonic()
    for moment in sorted(chance.uniform(0, over_s) for _ in range(count)):
        left = began + moment - time.monotonic()
        if wait([running], max(0.0, left)).done:
            return
        print(f"killing a raylet after {time.monotonic() - began:.1f} s", flush=True)
        nodes.kill_one()


def efficiency(seconds: Sequence[float], head_s: float, nodes: int) -> float:
    """Return the fraction of the nodes' time that is spent on trials.

    ``seconds``: times of trials, of which ten a node are drawn. ``head_s``: the processor time of
    the head for each trial that comes back, one after the other. A node does not wait for it: the
    trials of a generation are submitted at once.
    """
    chance = random.Random(1)
    drawn = [chance.choice(seconds) for _ in range(TRIALS_A_NODE * nodes)]
    free, came_back = [0.0] * nodes, list[float]()
    for each in drawn:
        came_back.append(heapq.heappop(free) + each)
        heapq.heappush(free, came_back[-1])
    end = 0.0
    for each in sorted(came_back):
        end = max(end, each) + head_s
    return sum(drawn) / (nodes * end)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--over", type=float, default=120, help="seconds in which nodes are killed")
    given = parser.parse_args()
    recipes = short_recipes(given.model, given.trials)
    names = [each.name for each in recipes]
    on_ray, here = Store(given.folder / "ray", "s"), Store(given.folder / "local", "s")
    with (
        ray_nodes(given.folder / "nodes") as nodes,
        RayEngine(on_ray, nodes.address, len(recipes), lambda e: print(e.message)) as engine,
    ):
        engine.look(recipes[0], [])
        with ThreadPoolExecutor(1) as thread:
            running = thread.submit(timed, engine, recipes)
            kill_at_moments(nodes, given.kills, given.over, running)
            clock = running.result()
        made, times = engine.published(), engine.times
    with LocalEngine(here, 1) as local:
        alone = timed(local, recipes)
    same = sum(bits(on_ray, name) == bits(here, name) for name in names)
    print(f"{same} of {len(names)} runs have the bits of the local engine's")
    print(f"{sum(each > 1 for each in made.values())} of {len(made)} stages were made twice")
    print(f"two raylets {clock.seconds[-1]:.0f} s, one local worker {alone.seconds[-1]:.0f} s")
    trial_s, head_s = (
        sum(getattr(each, name) for each in times) / len(times)
        for name in ("trial_s", "received_s")
    )
    longest = max(each.trial_s for each in times)
    print(f"a trial {trial_s:.1f} s (at most {longest:.1f}), the head {head_s:.3f} s for each")
    for count in (2, 10, 100):
        found = efficiency([each.trial_s for each in times], head_s, count)
        print(f"{count} nodes: efficiency {found:.3f} (simulated)")


if __name__ == "__main__":
    main()
