"""Progress of a call: a bar in a notebook, and on request in a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from edgecv.api.parameter_names import in_parameters
from edgecv.core.events import Event, OnEvent, ignore_event


@contextmanager
def shown(progress: bool | None, on_event: OnEvent | None) -> Iterator[OnEvent]:
    """Yield a function that receives events, shows them if requested, and passes them on.

    ``progress``: None for "in a notebook", True for "in a terminal too", False for never.
    """
    if progress is False or (progress is None and not in_notebook()):
        yield on_event or ignore_event
        return
    from rich.console import Console

    from edgecv.cli.progress import EventProgress

    console = Console() if in_notebook() else Console(stderr=True)
    # A notebook draws a bar with ipywidgets only; without it, lines are shown.
    has_bar = find_spec("ipywidgets") is not None if console.is_jupyter else console.is_terminal
    with EventProgress(console, has_bar=has_bar, wording=in_parameters) as view:

        def both(event: Event) -> None:
            view.on_event(event)
            if on_event is not None:
                on_event(event)

        yield both


def in_notebook() -> bool:
    """Return True if this process is the kernel of a notebook."""
    import sys

    if "IPython" not in sys.modules:
        return False
    from rich.console import Console

    return Console().is_jupyter
