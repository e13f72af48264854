"""``edgecv inspect``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecv.cli.run_command import on_screen

if TYPE_CHECKING:
    from edgecv.cli.console import Screen


def inspect(
    paths: Annotated[
        list[Path], typer.Argument(help="Model files: .keras, .h5, .tflite, .onnx, of any maker.")
    ],
    as_json: Annotated[
        bool,
        typer.Option("--json", help="The same as JSON on standard output, nothing else there."),
    ] = False,
) -> None:
    """Show what is in model files: inputs, operators, costs, memory, what is quantized."""
    import shutil

    wide = shutil.get_terminal_size((0, 0)).columns  # Before the screen takes standard output.

    def work(screen: "Screen") -> int:
        from edgecv.analysis.inspection.read_file import inspect_all
        from edgecv.analysis.inspection.text import WIDE, to_text
        from edgecv.analysis.inspection.to_json import to_json
        from edgecv.core.errors import EdgecvError

        results = []
        for path, found in inspect_all(paths):
            results.append((path, found))
            if isinstance(found, EdgecvError):
                line = f"edgecv: {found}"
                screen.console.print(line, soft_wrap=True, markup=False, highlight=False)
            elif not as_json:
                screen.answer(to_text(found, wide or WIDE))
        if as_json:
            screen.answer(to_json(results))
        return 2 if any(isinstance(found, EdgecvError) for _, found in results) else 0

    on_screen(work)
