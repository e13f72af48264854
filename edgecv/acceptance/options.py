"""Options of a comparison with an accepted run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from edgecv.core.command_options import Flag
from edgecv.core.events import Event
from edgecv.core.options import OnePath
from edgecv.pipeline.recipe.options import MeasuredDataOptions, OnOptions, TrustOptions

if TYPE_CHECKING:
    from edgecv.acceptance.records import Judgement

FILES = ("against", "junit", "markdown")


class GateOptions(OnOptions, TrustOptions, MeasuredDataOptions):
    """Options of ``edgecv gate`` and ``edgecv.gate``."""

    run: Annotated[OnePath, Flag("RUN", is_argument=True)]
    """A run folder."""
    against: OnePath = Path("edgecv.lock")
    """The file of the accepted run."""
    update: bool = False
    """Accept this run: write the file, say what changed."""
    threads: Annotated[int | None, Flag(default="those of the accepted run, else 1")] = None
    """Threads while a file is timed."""
    junit: OnePath | None = None
    """Write JUnit XML here: a test case for each gate."""
    markdown: OnePath | None = None
    """Write Markdown here: a comment for a pull request."""


def gate(
    options: GateOptions,
    names: Mapping[str, str],
    *,
    on_event: Callable[[Event], None] = lambda event: None,
    log: Path | None = None,
) -> "Judgement":
    """Measure a run again, hold it against the accepted one, and write what is asked for.

    ``names`` are those of the options in errors: flags, or parameters.
    """
    from edgecv.acceptance.gate import gate_run
    from edgecv.acceptance.outputs import check_files, write_outputs

    check_files(options.run, {names[each]: getattr(options, each) for each in FILES})
    judgement = gate_run(options, on_event, log)
    write_outputs(judgement, junit=options.junit, markdown=options.markdown)
    return judgement
