"""``edgecv inspect``."""

from typing import Annotated

from edgecv.analysis.options import InspectOptions
from edgecv.cli.console import Screen
from edgecv.cli.from_options import JsonOptions
from edgecv.core.command_options import Flag
from edgecv.core.options import Paths


class InspectCommand(JsonOptions, InspectOptions):
    """Options of ``edgecv inspect``."""

    paths: Annotated[Paths, Flag("FILES", is_argument=True)]
    """Model files: .keras, .h5, .tflite, .onnx, of any maker."""


def run(options: InspectCommand, screen: Screen) -> int:
    """Inspect files and show the contents of each."""
    from edgecv.analysis.inspection.read_file import inspect_all
    from edgecv.analysis.inspection.text import WIDE, to_text
    from edgecv.analysis.inspection.to_json import to_json

    return screen.results(
        inspect_all(options.paths, options.input_spec),
        lambda found: to_text(found, screen.columns(WIDE)),
        to_json if options.as_json else None,
    )
