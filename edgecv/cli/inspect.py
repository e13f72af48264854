"""``edgecv inspect``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecv.cli.running import on_screen

if TYPE_CHECKING:
    from edgecv.console import Screen


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
        from edgecv.errors import EdgecvError
        from edgecv.inspection.plain import to_json
        from edgecv.inspection.reading import inspect_all
        from edgecv.inspection.words import WIDE, to_text

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
