"""Signs of life of long work in a child: whoever waits for it then knows that it goes on."""

from collections.abc import Callable
from contextvars import ContextVar


def _nobody() -> None:
    """Do nothing: this is not a child, and nobody waits."""


LISTENER: ContextVar[Callable[[], None]] = ContextVar("listener", default=_nobody)


def sign_of_life() -> None:
    """Say that the work goes on: called once an image, in what takes long with many of them."""
    LISTENER.get()()
