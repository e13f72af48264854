"""``edgecv verify``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecv.cli.run_command import on_screen

if TYPE_CHECKING:
    from edgecv.cli.console import Screen


def verify(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs or of baselines.")],
    key: Annotated[
        Path | None,
        typer.Option(help="A public key (PEM): each run must be signed by its owner too."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The same as JSON on standard output, nothing else.")
    ] = False,
) -> None:
    """Fail unless runs are, byte for byte, what was written: no file changed, missing or more."""

    def work(screen: "Screen") -> int:
        from edgecv.acceptance.verify import to_json, verify_all
        from edgecv.core.errors import EdgecvError

        results = []
        for path, found in verify_all(runs, key):
            results.append((path, found))
            if isinstance(found, EdgecvError):
                line = f"edgecv: {found}"
                screen.console.print(line, soft_wrap=True, markup=False, highlight=False)
            elif not as_json:
                screen.answer(str(found))
        if as_json:
            screen.answer(to_json(results))
        return 2 if any(isinstance(found, EdgecvError) for _, found in results) else 0

    on_screen(work)
