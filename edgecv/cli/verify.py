"""``edgecv verify``."""

from typing import Annotated

from edgecv.cli.console import Screen
from edgecv.cli.from_options import JsonOptions
from edgecv.core.command_options import Flag
from edgecv.core.options import OnePath, Paths


class VerifyCommand(JsonOptions):
    """Options of ``edgecv verify``."""

    runs: Annotated[Paths, Flag("RUNS", is_argument=True)]
    """Folders of runs, of baselines, or of what edgecv deploy has written."""
    key: OnePath | None = None
    """A public key (PEM): each run must be signed by its owner too."""


def run(options: VerifyCommand, screen: Screen) -> int:
    """Verify runs and show the result of each."""
    from edgecv.acceptance.verify import to_json, verify_all

    return screen.results(
        verify_all(options.runs, options.key), str, to_json if options.as_json else None
    )
