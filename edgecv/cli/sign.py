"""``edgecv sign``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecv.cli.run_command import on_screen

if TYPE_CHECKING:
    from edgecv.cli.console import Screen


def sign(
    run: Annotated[Path, typer.Argument(help="The folder of a run.")],
    key: Annotated[Path, typer.Option(help="Your private key: PEM, elliptic curve.")],
) -> None:
    """Sign a run with a key, beside its folder; edgecv verify --key checks it (edgecv[sign])."""

    def work(screen: "Screen") -> int:
        from edgecv.acceptance.signatures import sign as sign_run

        screen.answer(f"{sign_run(run, key)}: signs {run}")
        return 0

    on_screen(work)
