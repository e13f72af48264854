"""``edgecv bench``."""

from typing import Annotated

from edgecv.analysis.options import BenchOptions
from edgecv.cli.console import Screen
from edgecv.cli.from_options import JsonOptions
from edgecv.core.command_options import Flag
from edgecv.core.options import Paths


class BenchCommand(JsonOptions, BenchOptions):
    """Options of ``edgecv bench``."""

    paths: Annotated[Paths, Flag("FILES", is_argument=True)]
    """Files in .tflite and .onnx; all are held against the first."""


def run(options: BenchCommand, screen: Screen) -> int:
    """Time files and show how they compare."""
    from edgecv.analysis.bench import bench_files
    from edgecv.analysis.bench.text import to_json, to_text

    found = bench_files(options.paths, options, on_event=screen.on_event, log=screen.log)
    screen.answer(to_json(found) if options.as_json else to_text(found))
    screen.warn(f"{path}: {reason}" for path, reason in found.failures.items())
    screen.warn(f"noise: {each}" for each in found.warnings)
    return found.exit_code
