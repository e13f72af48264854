"""A watch on whether a cluster has nodes: a trial that waits for one does not wait for ever."""

import time
from collections.abc import Callable
from threading import Lock

from edgecv.models.training.estimate import duration
from edgecv.pipeline.search.engines.contract import LostMachines

BETWEEN_LOOKS_S = 10.0
"""Time between two questions for the nodes."""
WAIT_FOR_NODES_S = 600.0
"""Longest time without a node that a trial fits on: clusters that grow start one meanwhile."""


class NodeWatch:
    """Knows since when a cluster has had no node; all trials that wait share it."""

    def __init__(
        self,
        has_nodes: Callable[[], bool],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._has_nodes, self._say, self._clock = has_nodes, say, clock
        self._lock = Lock()
        self._looked: float | None = None
        self._gone_since: float | None = None

    def look(self) -> None:
        """Look whether nodes are there. Raises LostMachines once there was none for too long."""
        with self._lock:
            now = self._clock()
            if self._looked is not None and now - self._looked < BETWEEN_LOOKS_S:
                return
            self._looked = now
            if self._has_nodes():
                self._gone_since = None
            elif self._gone_since is None:
                self._gone_since = now
                self._say(
                    "the cluster has no node that a trial fits on: waiting for one, for up to"
                    f" {duration(WAIT_FOR_NODES_S)}"
                )
            elif now - self._gone_since >= WAIT_FOR_NODES_S:
                raise LostMachines(
                    "--engine ray",
                    f"the cluster has had no node that a trial fits on for"
                    f" {duration(WAIT_FOR_NODES_S)}",
                    remedy="see ray status; the same command goes on once nodes are there",
                )
