"""The text and the JSON of a diagnosis."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgecv.analysis.doctor.records import Diagnosis, Fix, KernelParity, OperatorTime
from edgecv.core.errors import InputError
from edgecv.core.files import read_regular
from edgecv.core.tables import json_value
from edgecv.core.text import counted, printable
from edgecv.core.type_adapters import type_adapter
from edgecv.reports.page.build import DiagnosedFile

WORST_LAYERS = SLOWEST_OPERATORS = 8
LARGEST_BYTES = 20_000_000


def to_json(diagnosis: Diagnosis) -> str:
    """Return all findings, and the result of the remedy, as JSON."""
    return json.dumps(asdict(diagnosis), indent=2, allow_nan=False)


def read_diagnosis(path: Path) -> Diagnosis:
    """Read a diagnosis that ``to_json`` wrote. Raises InputError where it is another file."""
    accepted = "what edgecv doctor --json prints"
    try:
        content = read_regular(path, LARGEST_BYTES, accepted=accepted)
        found: Diagnosis = type_adapter(Diagnosis).validate_python(_as_now(json_value(content)))
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise InputError(str(path), "is no diagnosis", accepted=accepted) from None
    return found


def _as_now(table: Any) -> Any:
    """Return a diagnosis of an earlier version as one of now: every metric was an accuracy."""
    fix = table.get("fix") if isinstance(table, dict) else None
    if not isinstance(fix, dict) or "metric" in fix:
        return table
    values = {f"value_{when}": fix.get(f"accuracy_{when}") for when in ("before", "after")}
    return {**table, "fix": {**fix, **values, "metric": "accuracy", "is_fraction": True}}


def diagnosed_file(diagnosis: Diagnosis) -> DiagnosedFile:
    """Return a diagnosis as the page of a run shows it."""
    return DiagnosedFile(
        path=diagnosis.path,
        findings=tuple(
            f"{each.severity} {each.name}, in {each.where}: {each.observed}"
            + (f"; remedy: {each.remedy}" if each.remedy else "")
            for each in diagnosis.findings
        ),
        layers=tuple(
            (each.layer or each.name, each.inputs_db, each.sqnr_db, each.gain)
            for each in diagnosis.layers
        ),
        operators=tuple((each.name, each.type, each.microseconds) for each in diagnosis.operators),
    )


def to_text(diagnosis: Diagnosis) -> str:
    """Return a paragraph for each finding, the worst first, and the layers that lose most."""
    lines = [diagnosis.path]
    for each in diagnosis.findings:
        lines.append(f"  {each.severity} {each.name}, in {each.where}:")
        lines.append(f"    {each.observed}")
        if each.remedy:
            lines.append(f"    remedy: {each.remedy}")
    lines.append(f"  {_summary(diagnosis)}")
    if diagnosis.layers:
        lines.append("  signal over error, dB (what a layer takes -> what it gives), worst first:")
        worst = sorted(diagnosis.layers, key=lambda each: each.drop_db, reverse=True)
        lines += [
            f"    {each.inputs_db:5.1f} -> {each.sqnr_db:5.1f}  {each.layer or each.name}"
            for each in worst[:WORST_LAYERS]
        ]
    if diagnosis.operators:
        lines += _times(diagnosis.operators)
    if diagnosis.parity is not None:
        lines += _matrix(diagnosis.parity)
    if diagnosis.fix is not None:
        lines += fix_text(diagnosis.fix).split("\n")
    return "\n".join(map(printable, lines))  # A name of a hostile file is no line of its own.


def _summary(diagnosis: Diagnosis) -> str:
    """Return how many errors and warnings there are, and what was not looked at."""
    counts = {
        word: sum(each.severity == word for each in diagnosis.findings)
        for word in ("error", "warning")
    }
    counted = [
        f"{count} {word}{'s' if count > 1 else ''}" for word, count in counts.items() if count
    ]
    found = " and ".join(counted) or "nothing is wrong that edgecv doctor knows of"
    if any(each.name == "not-run" for each in diagnosis.findings):
        return f"{found}, in its structure alone: its answers, layers and speed were not looked at"
    if diagnosis.parity is None:
        return f"{found}; without --data, its answers and its layers were not looked at"
    return found


def fix_text(fix: Fix) -> str:
    """Return the result of a remedy."""
    if fix.time_ratio is None:
        speed = f"its speed is {fix.speed}"
    elif fix.speed == "not distinguishable":
        speed = "as fast as before"
    else:
        speed = f"{fix.speed}: {fix.time_ratio:.2f} of the time"
    values = [fix.value_before, fix.value_after]
    written = [
        f"{each:.2%}" if fix.is_fraction else f"{each:.4g}" for each in values if each is not None
    ]
    parts = [
        f"agreement with the baseline {fix.agreement_before:.2%} -> {fix.agreement_after:.2%}",
        *([f"{fix.metric} {' -> '.join(written)}"] if None not in values else []),
        speed,
    ]
    return (
        f"{fix.recipe}, for {fix.finding}: {'it helps' if fix.helps else 'it does not help'}\n"
        f"  {', '.join(parts)}"
    )


def _times(operators: Sequence[OperatorTime]) -> list[str]:
    """Return a line for each of the slowest operators, and one for all others."""
    total = sum(each.microseconds for each in operators)
    lines = [f"  time by operator, of {total:,.0f} us in all, by the profiler of its runtime:"]
    shown, others = operators[:SLOWEST_OPERATORS], operators[SLOWEST_OPERATORS:]
    rows = [(each.microseconds, f"{each.name} ({each.type})") for each in shown]
    if others:
        left = sum(each.microseconds for each in others)
        rows.append((left, f"{counted(len(others), 'other operator')}"))
    share = 1 / max(total, 1e-9)
    return lines + [f"    {us:8,.0f} us  {us * share:4.0%}  {name}" for us, name in rows]


def _matrix(parity: KernelParity) -> list[str]:
    """Return a line for each cell: images with another answer, and the largest difference."""
    lines = ["  kernels: images with another answer, and the largest difference of an output"]
    for number, cell in enumerate(parity.cells):
        name = f"    {number + 1} {cell.path}, {cell.kernels}, {counted(cell.images, 'image')}"
        if cell.failure:
            lines.append(f"    {number + 1} {cell.path}, {cell.kernels}: {cell.failure}")
            continue
        lines.append(name)
        same, far = parity.agreement[number], parity.largest_difference[number]
        pairs = [
            f"{other + 1}: {1 - same[other]:.1%} {far[other]:.4f}"  # type: ignore[operator]
            for other in range(number)
            if same[other] is not None
        ]
        if pairs:
            lines.append(f"      beside {', '.join(pairs)}")
    return lines
