"""Errors that a user can act on.

    EdgecvError              exit 3
    ├── InputError           exit 2: a flag, a recipe, a file or a folder is wrong
    ├── StepError            exit 3: a step was asked for and could not be done
    │   └── DivergedError    exit 3: a training came to NaN or infinity
    └── RuntimeFailure       exit 3: a runtime died of a file, hung on it or refused it
        └── UnsuitableFile   exit 2: a file that runs, and does not take or give what is needed

A message says where, what was found, what is accepted and what to do, in one line.
"""

from collections.abc import Collection, Sequence

from edgecv.core.text import nearest, one_line


class EdgecvError(Exception):
    """Base of all errors that reach the screen as one line."""

    exit_code = 3

    def __init__(self, where: str, found: str, *, accepted: str = "", remedy: str = "") -> None:
        self.where = where
        self.found = found
        self.accepted = accepted
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        return one_line(f"{self.where}: {self.reason}")

    @property
    def reason(self) -> str:
        """The message without the place: what was found, what is accepted and what to do."""
        parts = [self.found]
        if self.accepted:
            parts.append(f"accepted: {self.accepted}")
        if self.remedy:
            parts.append(self.remedy)
        return "; ".join(one_line(part) for part in parts)


class InputError(EdgecvError):
    """Input of the user that cannot be used: nothing was started, nothing was written."""

    exit_code = 2


def unknown_name(where: str, found: str, name: str, known: Collection[str]) -> InputError:
    """Return the error for a name that is none of the known ones: it names the nearest."""
    return InputError(where, found, accepted=", ".join(known), remedy=nearest(name, known))


class StepError(EdgecvError):
    """A step that was asked for could not be done."""


class DivergedError(StepError):
    """A training whose loss or weights became NaN or infinite."""


class RuntimeFailure(EdgecvError):
    """A runtime died of a file, hung on it or refused it; other files are not affected."""


class UnsuitableFile(RuntimeFailure):
    """A file that a runtime opens, and that does not take images or give what is needed of it."""

    exit_code = 2


def failure_of_all(where: str, found: str, causes: Sequence[RuntimeFailure]) -> RuntimeFailure:
    """Return the error for files none of which could be used.

    It is wrong input if each of them is.
    """
    is_wrong_input = all(isinstance(each, UnsuitableFile) for each in causes)
    return (UnsuitableFile if is_wrong_input else RuntimeFailure)(where, found)
