"""A Ray cluster on this machine, whose raylets have folders of their own and can be killed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.reports.json_file import read_report
from edgecv.system.storage import Store, check_seal

STORE_BYTES = 100 * 2**20
NICENESS = "RAY_worker_niceness"
"""The variable of Ray: by default its workers, and what they start, yield to other processes."""


class RayNodes:
    """A head without processors, and ``count`` raylets with one each."""

    def __init__(self, folder: Path, count: int) -> None:
        from ray.cluster_utils import Cluster

        self._folder, self._made = folder, 0
        self._cluster = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 0,
                "include_dashboard": False,
                "object_store_memory": STORE_BYTES,
            },
        )
        self.address: str = self._cluster.address
        self._nodes = [self._add() for _ in range(count)]

    def _add(self) -> Any:
        own = self._folder / f"node-{self._made}"
        own.mkdir(parents=True)
        self._made += 1
        return self._cluster.add_node(
            num_cpus=1,
            object_store_memory=STORE_BYTES,
            memory=4 * 2**30,
            env_vars={"TMPDIR": str(own)},
        )

    def kill_one(self) -> None:
        """Kill the oldest raylet with all that runs on it, and add another."""
        self._cluster.remove_node(self._nodes.pop(0), allow_graceful=False)
        self._nodes.append(self._add())

    def close(self) -> None:
        self._cluster.shutdown()


@contextmanager
def ray_nodes(folder: Path, count: int = 2) -> Iterator[RayNodes]:
    """Yield a cluster. Its workers are not nicer than other processes, as they are by default."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(NICENESS, "0")
        nodes = RayNodes(folder, count)
        try:
            yield nodes
        finally:
            nodes.close()


def short_recipes(model: Path, count: int, **options: Any) -> list[Recipe]:
    """Return recipes that train nothing: each calibrates with another number of images."""
    given = {"model": model, "data": "digits", "formats": "tflite", "max_drop": 50, **options}
    return [
        CompressOptions(**given, calibration_images=16 + number, name=f"t-{number:03d}").to_recipe()
        for number in range(count)
    ]


def bits(store: Store, name: str) -> dict[str, Any]:
    """Return what a run must have in common with the same run of another machine: all but times."""
    folder = store.run_folder(name)
    check_seal(folder)
    report = read_report(folder)
    return {
        "files": [(each.artifact.path, each.artifact.sha256) for each in report.comparisons],
        "statistics": [each.statistics for each in report.comparisons],
        "splits": report.data.splits,
        "recipe": report.recipe,
        "trainings": [
            [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in each.epochs]
            for each in report.trainings
        ],
    }
