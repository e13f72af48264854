"""Files that a target of channel pruning is held on, and those beside them that miss it."""

from collections.abc import Iterator, Sequence

from edgecv.core.comparison import Comparison
from edgecv.core.report import Gate
from edgecv.reports.gate_text import number_text

UNITS = {
    "int8_bytes": "bytes",
    "latency_us": "us an image",
    "speedup": "times the speed of its float32 file",
}
"""Targets that are held on the files of one format, by the names of their gates."""


def target_notes(gates: Sequence[Gate], files: Sequence[Comparison]) -> tuple[str, ...]:
    """Return which file each target is held on, where the run has others of that precision."""
    return tuple(
        f"the target of {_amount(gate.name, gate.limit)} is held on {gate.artifact}, not on"
        f" {', '.join(each.artifact.path for each in others)}"
        for gate, others in _held(gates, files)
        if others
    )


def missed_beside(gates: Sequence[Gate], files: Sequence[Comparison]) -> str:
    """Return which files miss a target that is held on others alone; empty where none does."""
    found = []
    for gate, others in _held(gates, files):
        missed = [
            f"{each.artifact.path} has {_amount(gate.name, value)}"
            for each in others
            if (value := _value(gate.name, each)) is not None and _misses(gate, value)
        ]
        if missed:
            target = _amount(gate.name, gate.limit)
            found.append(f"{target} is held on {gate.artifact} alone: {', '.join(missed)}")
    if not found:
        return ""
    return f"The target of {'; that of '.join(found)}"


def _held(
    gates: Sequence[Gate], files: Sequence[Comparison]
) -> Iterator[tuple[Gate, list[Comparison]]]:
    """Yield each target's gate, and the files of the same precision that have no such gate."""
    by_path = {each.artifact.path: each for each in files}
    for gate in gates:
        if gate.name in UNITS and gate.artifact in by_path:
            held = {each.artifact for each in gates if each.name == gate.name}
            precision = by_path[gate.artifact].artifact.precision
            yield (
                gate,
                [
                    each
                    for path, each in by_path.items()
                    if path not in held and not each.is_twin
                    if each.artifact.precision == precision
                ],
            )


def _value(name: str, file: Comparison) -> float | None:
    if name == "int8_bytes":
        return file.artifact.bytes
    if name == "speedup":
        return file.speedup
    return None if file.latency is None else file.latency.median_us


def _misses(gate: Gate, value: float) -> bool:
    return value < gate.limit if gate.name == "speedup" else value > gate.limit


def _amount(name: str, value: float) -> str:
    return f"{number_text(value)} {UNITS[name]}"
