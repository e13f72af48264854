"""The heartbeat of long work in a child process: its parent then knows that the work goes on."""

from collections.abc import Callable
from contextvars import ContextVar

LISTENER: ContextVar[Callable[[], None]] = ContextVar("listener", default=lambda: None)
"""Called at each heartbeat. The default does nothing: this is no child process."""


def heartbeat() -> None:
    """Tell the parent that the work goes on: called once an image, in what takes long with many."""
    LISTENER.get()()
