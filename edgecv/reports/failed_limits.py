"""Failed limits: by how much a file missed each, and what may reach it."""

from dataclasses import dataclass
from pathlib import Path

from edgecv.core.registry import IMPORTERS
from edgecv.core.report import Gate, Report
from edgecv.evaluation.limit import Evidence
from edgecv.evaluation.limits import evidence_of
from edgecv.evaluation.task_of import task_of
from edgecv.reports.gate_text import gate_sentence, number_text
from edgecv.reports.verdict import OF_EVERY_RUN, retrains

OF_TARGETS: dict[str, Evidence] = {
    "int8_bytes": "size", "arena_bytes": "size", "macs": "size", "parameters": "size",
    "speedup": "time", "latency_us": "time",
}  # fmt: skip
"""Gates of what channel pruning was asked for."""
LEAST_IS_ASKED = ("speedup", "same_answers")
NO_LIMITS = ("ranges", "labels")
"""Gates whose number is no limit that a file can miss by much or by little."""
LEAST_SHOWN = 0.01
PACKED = "edgecv pack leaves out what no answer needs, unless the file is packed already"
TRIED = "edgecv compress --auto with the same limits tries recipes until one holds them"
SEARCHED = (
    "recipes were tried for these limits, narrower ones too, and this one came nearest: the same"
    " command with more --minutes tries others, or allow more"
)
"""The remedy for a run that ``--auto`` or a search has chosen."""
OF_GZIP = "--prune and --cluster make files that gzip packs better"
OF_FLOATS = "--quantize int8 takes about a quarter of the bytes, and most runtimes less time"
OF_ROUNDING = "--quantize mixed leaves the layers in float32 that lose most"
OF_TRAINED_ROUNDING = f"{OF_ROUNDING}, --qat trains with the rounding"
IN_A_RECIPE = "training = { epochs = ... } under [[technique]]"
AS_IT_IS = "converted as it is"
"""The beginning of the note on a Keras 3 model without layers to train."""
MEASURED_BEFORE = (
    "a trial met it before the training, and the finished file does not: ask for a little more"
)


@dataclass(frozen=True)
class FailedLimit:
    """One failed limit."""

    label: str
    """The file, or the head of it."""
    found: str
    """The observed value, the limit, and by how much it was missed."""
    remedy: str
    """Options that may reach it; empty where none is known."""


def failed_limits(report: Report, path: str | None = None) -> list[FailedLimit]:
    """Return the failed gates of a run, or of one of its files alone."""
    task = task_of(report)
    found = []
    for gate in report.gates:
        if gate.outcome == "failed" and path in (None, gate.artifact):
            text = gate_sentence(gate, task).removeprefix(f"{gate.label}: ") + _missed_by(gate)
            found.append(FailedLimit(gate.label, text, remedy_of(gate, report)))
    return found


def is_of_run(report: Report) -> bool:
    """Return True if the files were written by the run of the report, False if it measured them."""
    return "export" in report.recipe


def needs_doctor(gate: Gate, report: Report) -> bool:
    """Return True for what a look into a file explains: wrong answers, or slower than floats."""
    kind = kind_of(gate)
    is_slower = kind == "time" and _speedup(gate, report) < 1
    return kind == "answers" or is_slower


def kind_of(gate: Gate) -> Evidence:
    """Return what a gate judges: answers, size or time."""
    return OF_TARGETS.get(gate.name) or evidence_of(gate.name)


def remedy_of(gate: Gate, report: Report) -> str:
    """Return what may reach a limit; empty where it is not known."""
    if gate.name in OF_TARGETS:
        return MEASURED_BEFORE
    names = [each["technique"] for each in report.recipe.get("technique", ())]
    precisions = {each.artifact.path: each.artifact.precision for each in report.comparisons}
    precision = precisions.get(gate.artifact)
    if precision is None or gate.name in OF_EVERY_RUN:
        return ""
    if kind_of(gate) == "answers":
        if any(map(retrains, names)):
            longer = f"--epochs, or in a recipe {IN_A_RECIPE}" if _model(report) else IN_A_RECIPE
            return f"ask for less of {', '.join(names)}, or train longer ({longer})"
        remedy = OF_TRAINED_ROUNDING if _is_trainable(report) else OF_ROUNDING
        return "" if precision == "float32" else remedy
    if report.recipe.get("remark"):
        return SEARCHED
    found = [
        PACKED if kind_of(gate) == "size" and not is_of_run(report) else "",
        OF_FLOATS if precision == "float32" else "",
        _trained(gate, report) if _is_trainable(report) else "",
        TRIED,
    ]
    return "; ".join(filter(None, found))


def _model(report: Report) -> str | None:
    """Return the path of the model that a run was given; None where it was trained."""
    found: str | None = report.recipe.get("baseline", {}).get("model")
    return found


def _is_trainable(report: Report) -> bool:
    """Return False where techniques that train are refused: for want of layers or of labels."""
    baseline, model = report.baseline, _model(report)
    if baseline is None:
        return True
    suffix = Path(model or baseline.path).suffix.lower()
    readers = [cls for cls in IMPORTERS.classes.values() if suffix in cls.suffixes]
    has_layers = all(cls.has_layers for cls in readers) and (bool(readers) or model is None)
    is_graph = any(note.startswith(AS_IT_IS) for note in report.notes)
    return has_layers and not is_graph and baseline.value is not None


def _trained(gate: Gate, report: Report) -> str:
    """Return what a technique that trains can do for a limit on size or time."""
    return OF_GZIP if gate.name == "max_gzip_bytes" else _narrower(gate, report)


def _narrower(gate: Gate, report: Report) -> str:
    """Return the target of channel pruning that is a limit; empty where there is none."""
    shrink = "--shrink" if is_of_run(report) else "edgecv compress MODEL --shrink"
    if gate.name == "max_bytes":
        return f"{shrink} {gate.limit:.0f}B removes channels until the int8 file fits"
    if gate.name == "min_speedup" and gate.limit <= 1:
        return ""
    if any(each.machine for each in report.comparisons if each.artifact.path == gate.artifact):
        return f"{shrink} 0.5 removes half of the channels: a time of a device is no target of it"
    target = f"{gate.limit:.15g}{'x' if _is_least(gate) else 'us'}"
    return f"{shrink} {target} removes channels until a file is as fast"


def _is_least(gate: Gate) -> bool:
    return gate.name.startswith("min_") or gate.name in LEAST_IS_ASKED


def _missed_by(gate: Gate) -> str:
    """Return by how much a limit was missed."""
    if gate.observed is None or not gate.limit or gate.name in NO_LIMITS:
        return ""
    missed = abs(gate.observed - gate.limit)
    word = "too little" if _is_least(gate) else "too much"
    share = missed / abs(gate.limit)
    if share > 1:
        times = number_text(gate.observed / gate.limit)
        return f": {number_text(missed)} {word}, {times} times the limit"
    shown = f"{share:.0%}" if share >= LEAST_SHOWN else "less than 1%"
    return f": {number_text(missed)} ({shown} of the limit) {word}"


def _speedup(gate: Gate, report: Report) -> float:
    found = (each.speedup for each in report.comparisons if each.artifact.path == gate.artifact)
    return next((each for each in found if each is not None), 1.0)
