"""``edgecv bench``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecv.cli.run_command import on_screen

if TYPE_CHECKING:
    from edgecv.cli.console import Screen


def bench(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Files in .tflite and .onnx; all are held against the first."),
    ],
    threads: Annotated[
        int, typer.Option(help="Threads of a runtime, and cores it is kept on.")
    ] = 1,
    batch: Annotated[int, typer.Option(help="Images a call, where a file can take several.")] = 1,
    budget: Annotated[
        float, typer.Option(help="Seconds for all files together, opening and warm-up included.")
    ] = 10.0,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="The same as JSON on standard output, nothing else there."),
    ] = False,
) -> None:
    """Time files in turn on random pixels, and say which of them are really faster."""

    def work(screen: "Screen") -> int:
        from edgecv.analysis.bench import BenchOptions, bench_files
        from edgecv.analysis.bench_text import to_json, to_text
        from edgecv.core.options import parse_flags

        options = {"threads": threads, "batch": batch, "budget": budget}
        settings = parse_flags(BenchOptions, options)
        found = bench_files(paths, settings, on_event=screen.on_event, log=screen.log)
        screen.answer(to_json(found) if as_json else to_text(found))
        screen.warn(f"{path}: {reason}" for path, reason in found.failures.items())
        screen.warn(f"noise: {each}" for each in found.warnings)
        return 3 if found.failures else 0

    on_screen(work)
