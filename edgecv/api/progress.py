"""Progress of a call: a bar in a notebook, and on request in a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edgecv.api.parameter_names import in_parameters
from edgecv.core.events import Event, OnEvent, ignore_event

if TYPE_CHECKING:
    from edgecv.api.notebook import NotebookProgress
    from edgecv.cli.progress import EventProgress


@contextmanager
def shown(progress: bool | None, on_event: OnEvent | None) -> Iterator[OnEvent]:
    """Yield a function that receives events, shows them if requested, and passes them on.

    ``progress``: None for "in a notebook", True for "in a terminal too", False for never.
    """
    if progress is False or (progress is None and not in_notebook()):
        yield on_event or ignore_event
        return
    with _view() as view:

        def both(event: Event) -> None:
            view.on_event(event)
            if on_event is not None:
                on_event(event)

        yield both


def _view() -> "EventProgress | NotebookProgress":
    """Return what shows events here: below the cell of a notebook, or on standard error."""
    if in_notebook():
        from edgecv.api.notebook import NotebookProgress, cell_output

        return NotebookProgress(cell_output(), in_parameters)
    from rich.console import Console

    from edgecv.cli.progress import EventProgress

    console = Console(stderr=True, emoji=False)
    return EventProgress(console, has_bar=console.is_terminal, wording=in_parameters)


def in_notebook() -> bool:
    """Return True if this process is the kernel of a notebook."""
    import sys

    if "IPython" not in sys.modules:
        return False
    from rich.console import Console

    return Console().is_jupyter
