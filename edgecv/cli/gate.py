"""``edgecv gate``."""

from edgecv.acceptance.options import GateOptions, gate
from edgecv.cli.console import Screen
from edgecv.cli.from_options import JsonOptions
from edgecv.core.command_options import flag_of


class GateCommand(JsonOptions, GateOptions):
    """Options of ``edgecv gate``."""


def run(options: GateCommand, screen: Screen) -> int:
    """Measure a run, compare it with the accepted one and show the result."""
    from edgecv.cli.show import show_judgement

    flags = {name: flag_of(name, field).name for name, field in GateOptions.model_fields.items()}
    judgement = gate(options, flags, on_event=screen.on_event, log=screen.log)
    show_judgement(judgement, screen, as_json=options.as_json)
    return judgement.exit_code
