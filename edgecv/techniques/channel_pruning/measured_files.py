"""The files that a target on bytes or time may be measured on."""

from edgecv.core.plugins import Exporter
from edgecv.core.registry import EXPORTERS, RUNTIMES


def exporters() -> dict[str, type[Exporter]]:
    """Map each runtime that runs on devices to the exporter of its files."""
    writers = {cls.format: cls for cls in EXPORTERS.classes.values()}
    return {
        name: writers[cls.format]
        for name, cls in RUNTIMES.classes.items()
        if cls.runs_on_devices and cls.format in writers
    }


def precisions() -> list[str]:
    """Return the precisions of these files."""
    return list(dict.fromkeys(each for cls in exporters().values() for each in cls.precisions))
