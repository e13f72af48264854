"""``edgecv card``."""

from typing import Annotated

from edgecv.cli.console import Screen
from edgecv.core.command_options import CommandOptions, Flag
from edgecv.core.options import OnePath


class CardCommand(CommandOptions):
    """Options of ``edgecv card``."""

    run: Annotated[OnePath, Flag("RUN", is_argument=True)]
    """The folder of a run."""


def run(options: CardCommand, screen: Screen) -> int:
    """Print the model card of a run."""
    from edgecv.reports.json_file import read_run
    from edgecv.reports.model_card import to_card

    screen.answer(to_card(read_run(options.run)))
    return 0
