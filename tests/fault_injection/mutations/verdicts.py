"""Good and bad files through ``edgecv validate``, and what came of them as a table."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from good_files import Good
from planting import Planted

from edgecv.analysis.options import ValidateOptions
from edgecv.analysis.validate import validate
from edgecv.core.data import Predictions
from edgecv.core.report import Gate, Report
from edgecv.pipeline.context import open_analysis

HARMLESS = 0.005
"""Of the predictions: what changes fewer need not be caught."""
DIAGNOSES = ("weights", "quantization", "ranges", "precision", "labels")


@dataclass(frozen=True)
class Row:
    """One file that was judged."""

    fault: str
    variant: str
    format: str
    changed: float | None
    """Fraction of the predictions that are others than those of the good file; None: refused."""
    gates: tuple[Gate, ...]
    """Those that failed."""
    words: str
    """What the cause has to be called."""

    @property
    def is_caught(self) -> bool:
        return bool(self.gates)

    @property
    def is_named(self) -> bool:
        return any(re.search(self.words, gate.reason) for gate in self.gates)


def judge(
    files: Sequence[Path], twin: Path, data: str, labels: Path | None = None
) -> tuple[Report, Mapping[str, Predictions]]:
    """Validate files against a float twin."""
    options = ValidateOptions(paths=tuple(files), data=data, baseline=twin, labels=labels)
    request = replace(options.request(), timed=False)
    with open_analysis(request.settings) as context:
        report, measured = validate(request, context)
    return report, {path: each.only for path, each in measured.outputs.items()}


def failed(report: Report, path: Path) -> tuple[Gate, ...]:
    """Return the gates on a file that failed."""
    return tuple(
        gate for gate in report.gates if gate.artifact == str(path) and gate.outcome == "failed"
    )


def changed(answers: Predictions, good: Predictions) -> float:
    """Return the fraction of images with another answer."""
    return float(np.mean(answers.argmax(axis=1) != good.argmax(axis=1)))


def table(rows: Sequence[Row]) -> str:
    """Return all rows as Markdown."""
    lines = [
        "| fault | variant | format | predictions changed | gate | cause named |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        gates = ", ".join(dict.fromkeys(gate.name for gate in row.gates)) or "none"
        named = next(
            (gate.reason for gate in row.gates if re.search(row.words, gate.reason)),
            row.gates[0].reason if row.gates else "",
        )
        part = "does not run" if row.changed is None else f"{row.changed:.2%}"
        lines.append(
            f"| {row.fault} | {row.variant} | {row.format} | {part} | {gates} |"
            f" {named.split('; export it again')[0]} |"
        )
    return "\n".join(lines)


def rows_of(good: Good, file_format: str, faults: Sequence[Planted], folder: Path) -> list[Row]:
    """Plant each fault in a copy of the good int8 file, and judge all of them."""
    honest = good.copy_of_int8(file_format, folder)
    paths = [folder / f"{each.stem}.{file_format}" for each in faults]
    for fault, path in zip(faults, paths, strict=True):
        path.write_bytes(fault.plant(honest.read_bytes()))
    report, answers = judge([honest, *paths], good.folder / f"float32.{file_format}", good.source)
    assert not failed(report, honest)
    return [
        Row(
            each.fault,
            each.variant,
            file_format,
            changed(answers[str(path)], answers[str(honest)]) if str(path) in answers else None,
            failed(report, path),
            each.words,
        )
        for each, path in zip(faults, paths, strict=True)
    ]
