"""The targets of ``--shrink``: 0.5, 1.2Mmacs, 30kparams, 35KB, 10us, 6x."""

from collections.abc import Sequence
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.plugins import Exporter
from edgecv.core.quantity import NUMBER_WITH_UNIT
from edgecv.formats.lookup import runtime_of_format

UNITS = {
    "": ("keep", 1.0),
    "%": ("keep", 0.01),
    "macs": ("macs", 1.0),
    "kmacs": ("macs", 1e3),
    "mmacs": ("macs", 1e6),
    "params": ("parameters", 1.0),
    "kparams": ("parameters", 1e3),
    "mparams": ("parameters", 1e6),
    "b": ("int8_bytes", 1.0),
    "kb": ("int8_bytes", 1e3),
    "mb": ("int8_bytes", 1e6),
    "kib": ("int8_bytes", 2.0**10),
    "mib": ("int8_bytes", 2.0**20),
    "us": ("latency_us", 1.0),
    "ms": ("latency_us", 1e3),
    "x": ("speedup", 1.0),
}
EXAMPLES = "0.5, 1.2Mmacs, 30kparams, 35KB, 10us, 6x, or several: 35KB,6x"


def parse_targets(text: str) -> dict[str, Any]:
    """Return the targets of ``--shrink``. Raises InputError that shows how they are written.

    >>> parse_targets("0.5")
    {'keep': 0.5}
    >>> parse_targets("35KB,6x")
    {'int8_bytes': 35000, 'speedup': 6.0}
    """
    options: dict[str, Any] = {}
    for part in text.split(","):
        found = NUMBER_WITH_UNIT.fullmatch(part)
        unit = found[2].lower() if found else None
        if found is None or unit not in UNITS:
            raise InputError("--shrink", f'"{part}" is no target', accepted=EXAMPLES)
        option, factor = UNITS[unit]
        value = float(found[1]) * factor
        if option in ("macs", "parameters", "int8_bytes"):
            value = round(value)
        _check_target(part, option, value)
        if option in options:
            raise InputError("--shrink", f'"{text}" gives {option} twice', remedy="keep one")
        options[option] = value
    return options


def _check_target(part: str, option: str, value: float) -> None:
    """Raise InputError if a target asks for nothing at all, or for all that there is."""
    if option == "keep" and not 0 < value < 1:
        found = "is no fraction" if "%" in part else "has no unit, and is no fraction"
        raise InputError("--shrink", f'"{part}" {found}', accepted=EXAMPLES)
    if option == "speedup" and value <= 1:
        raise InputError("--shrink", f'"{part}" is not faster', accepted="more than 1x, such as 6x")
    if value <= 0:
        raise InputError("--shrink", f'"{part}" leaves nothing', accepted="more than 0")


def targets_of_flag(value: str, exports: Sequence[Exporter]) -> dict[str, Any]:
    """Return the options of shrink for the text of ``--shrink``, beside the files to write."""
    targets = parse_targets(value)
    if not {"latency_us", "speedup", "int8_bytes"} & set(targets):
        return targets
    first = exports[0]  # Measured as what will be written: of several, as the first.
    runtime = runtime_of_format(first.format).name
    return {**targets, "runtime": runtime, "precision": first.precision}
