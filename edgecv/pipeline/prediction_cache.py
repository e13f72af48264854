"""A cache of predictions, so that the same file is not run on the same images twice.

A key covers everything that predictions depend on: the file, its input, the images. None stands
for what cannot be told, such as a file that keeps weights in others: nothing is stored for it.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from edgecv.core.artifact import SessionFacts
from edgecv.core.data import Outputs
from edgecv.core.type_adapters import type_adapter
from edgecv.pipeline.stored_outputs import npz_of, outputs_in
from edgecv.system.storage import write_bytes

Value = TypeVar("Value")


class PredictionCache:
    """A cache that stores nothing: every file is run each time."""

    keeps = False
    """True if the cache stores values, so that keys have to be computed."""

    @contextmanager
    def open(self) -> Iterator[None]:
        """Hold the lock of the cache for the duration of one measurement."""
        yield

    def facts(self, key: str | None, ask: Callable[[], SessionFacts]) -> SessionFacts:
        """Return the facts kept under a key, or those that ``ask`` returns."""
        return ask()

    def outputs(self, key: str | None, ask: Callable[[], Outputs]) -> Outputs:
        """Return the outputs kept under a key, or those that ``ask`` returns."""
        return ask()


NO_CACHE = PredictionCache()


class SharedPredictionCache(PredictionCache):
    """A cache in a folder that several processes share: each prediction is computed once.

    A process that misses a value waits until no other process measures, reads again, and then keeps
    the lock until its measurement ends: a runtime takes all cores anyway, and its child process
    serves the next request too.
    """

    keeps = True

    def __init__(self, folder: Path) -> None:
        from filelock import FileLock

        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = FileLock(folder / "measuring.lock")

    @contextmanager
    def open(self) -> Iterator[None]:
        """Release the lock when this measurement ends, however it ends."""
        with ExitStack() as stack:
            stack.callback(self._lock.release, force=True)
            yield

    def facts(self, key: str | None, ask: Callable[[], SessionFacts]) -> SessionFacts:
        """Return the facts kept under a key, or keep those that ``ask`` returns."""
        return self._kept(
            key, ".json", _facts_of, ask, lambda facts: json.dumps(asdict(facts)).encode()
        )

    def outputs(self, key: str | None, ask: Callable[[], Outputs]) -> Outputs:
        """Return the outputs kept under a key, or keep those that ``ask`` returns."""
        return self._kept(key, ".npz", outputs_in, ask, npz_of)

    def _kept(
        self,
        key: str | None,
        suffix: str,
        read: Callable[[bytes], Value],
        ask: Callable[[], Value],
        write: Callable[[Value], bytes],
    ) -> Value:
        if key is None:
            return ask()
        path = self._folder / f"{key}{suffix}"
        if not path.exists() and not self._lock.is_locked:
            self._lock.acquire()
        if not path.exists():
            write_bytes(path, write(ask()))
        return read(path.read_bytes())


def _facts_of(content: bytes) -> SessionFacts:
    return type_adapter(SessionFacts).validate_python(json.loads(content))
