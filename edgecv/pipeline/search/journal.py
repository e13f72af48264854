"""The journal of a search on disk, which somebody else may have edited."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.files import read_regular
from edgecv.core.tables import json_value
from edgecv.pipeline.search.trial import SearchTrial, trial_of

JOURNAL = "journal.log"
OBJECTIVES = ("points lost", "bytes", "multiply-accumulates")
"""Figures that are the same each time: what is proposed does not depend on the noise of a time."""
LARGEST_JOURNAL_BYTES = 100_000_000
WRONG_ENTRIES = (ValueError, LookupError, TypeError, AttributeError, AssertionError)
"""Errors of Optuna for entries that it has not written: it checks none of them."""


def optuna() -> Any:
    """Return the module. Raises InputError that says how it is installed."""
    try:
        import optuna
    except ImportError:
        raise InputError(
            "edgecv search", "needs Optuna", remedy='pip install "edgecv[search]"'
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def opened_study(folder: Path, study: Callable[[Any], Any]) -> Any:
    """Return the study that ``study`` opens in the journal of a folder.

    Raises InputError where the journal is damaged.
    """
    journals = optuna().storages
    path = folder / JOURNAL
    with damage_named(folder):
        if path.exists():
            lines = read_regular(path, LARGEST_JOURNAL_BYTES).splitlines(keepends=True)
            for line in lines:
                if line.endswith(b"\n"):  # The last one may be on its way.
                    json_value(line)
        backend = journals.journal.JournalFileBackend(str(path))
        found = study(journals.JournalStorage(backend))
        if len(found.directions) != len(OBJECTIVES):
            raise ValueError("other objectives")
        trials_in(found)
    return found


def drop_cut_line(folder: Path) -> None:
    """Remove a last line that a kill has cut: what is appended to it would be lost with it.

    For the one process that holds the lock of the search.
    """
    path = folder / JOURNAL
    if not path.exists():
        return
    content = read_regular(path, LARGEST_JOURNAL_BYTES)
    kept = content.rfind(b"\n") + 1
    if kept < len(content):
        with path.open("r+b") as file:
            file.truncate(kept)


def trials_in(study: Any) -> list[SearchTrial]:
    """Return all trials of a study, in the order of their proposal. Raises ValueError."""
    proposed = len(study.get_trials(deepcopy=False))
    trials = [trial_of(each) for each in study.user_attrs.values()]
    for place, each in enumerate(trials):
        if each.number != place or not 0 <= each.proposal < proposed:
            raise ValueError(f"trial {each.number} has no proposal")
    return trials


@contextmanager
def damage_named(folder: Path) -> Iterator[None]:
    """Raise InputError that names the journal in place of what Optuna raises for it."""
    try:
        yield
    except WRONG_ENTRIES as error:
        raise InputError(
            str(folder / JOURNAL), "is damaged", remedy="use another --name, or move it away"
        ) from error
