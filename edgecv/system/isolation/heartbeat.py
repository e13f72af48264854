"""The heartbeat of long work in a child process: a sign of progress for its parent."""

from collections.abc import Callable
from contextvars import ContextVar

LISTENER: ContextVar[Callable[[], None]] = ContextVar("listener", default=lambda: None)
"""Called at each heartbeat. The default, outside of a child process, does nothing."""


def heartbeat() -> None:
    """Signal progress to the parent: called for each image in loops over many of them."""
    LISTENER.get()()
