"""``edgecv sign``."""

from typing import Annotated

from edgecv.cli.console import Screen
from edgecv.core.command_options import CommandOptions, Flag
from edgecv.core.options import OnePath


class SignCommand(CommandOptions):
    """Options of ``edgecv sign``."""

    run: Annotated[OnePath, Flag("RUN", is_argument=True)]
    """The folder of a run."""
    key: OnePath
    """Your private key: PEM, elliptic curve."""


def run(options: SignCommand, screen: Screen) -> int:
    """Sign a run."""
    from edgecv.acceptance.signatures import sign

    screen.answer(f"{sign(options.run, options.key)}: signs {options.run}")
    return 0
