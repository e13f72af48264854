"""``edgecv pack``."""

from dataclasses import asdict

from edgecv.analysis.options import PackOptions
from edgecv.cli.console import Screen
from edgecv.cli.from_options import JsonOptions


class PackCommand(JsonOptions, PackOptions):
    """Options of ``edgecv pack``."""


def run(options: PackCommand, screen: Screen) -> int:
    """Pack a file and say what it has saved."""
    from edgecv.analysis.packing.pack_file import pack_file, to_text

    found = pack_file(options)
    if options.as_json:
        screen.table(asdict(found))
    else:
        screen.answer(to_text(str(options.file), found))
    return 0
