"""``report.json``: the report for other programs."""

from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import Any

from edgecv.core.artifact import Artifact
from edgecv.core.costs import ModelCost
from edgecv.core.errors import InputError
from edgecv.core.files import read_regular
from edgecv.core.report import Report
from edgecv.core.tables import fault_of, json_value
from edgecv.core.text import listed, short_name
from edgecv.core.type_adapters import type_adapter
from edgecv.system.storage import check_seal, write_json

LARGEST_REPORT_BYTES = 20_000_000


def to_table(report: Report) -> dict[str, Any]:
    """Return the report as JSON's plain values.

    The keys of a deployment, of a control, of trainings, of memory, of the spread of times, of
    further metrics, of differences number by number, of real scores, of heads and of devices are
    left out where there are none, as in earlier reports.
    """
    table = asdict(report)
    for comparison in table["comparisons"]:
        _leave_out(
            comparison,
            "further_metrics",
            "output_differences",
            "further_outputs",
            "head",
            "control",
            "machine",
        )
        if comparison["latency"] is not None:
            _leave_out(comparison["latency"], "spread_us")
        for found in (comparison, comparison.get("control")):
            if found is not None and found["statistics"] is not None:
                _leave_out(found["statistics"], "scores")
    for gate in table["gates"]:
        _leave_out(gate, "head", "against")
    _leave_out(table["data"], "head_classes", "class_counts")
    if table["baseline"] is not None:
        _leave_out(table["baseline"], "head_values", "teacher_sha256")
    if table["given"] is None:
        del table["given"]
    _leave_out(table, "deployment", "control", "trainings", "memory", "results")
    return {"schema_version": table.pop("schema_version"), **table}


def _leave_out(table: dict[str, Any], *keys: str) -> None:
    """Remove the keys that say nothing."""
    for key in keys:
        if not table[key]:
            del table[key]


def write_report(report: Report, path: Path) -> None:
    """Write ``report.json`` atomically."""
    write_json(path, to_table(report))


def read_report(path: Path) -> Report:
    """Read a report from a run's folder or from its ``report.json``.

    Raises InputError where there is none, or where it is not a report of this version.
    """
    from edgecv.reports.stored_report import StoredReport

    file = path / "report.json" if path.is_dir() else path
    report: Report = _read(file, StoredReport, 'a report.json with "schema_version": 1')
    return report


def read_run(folder: Path) -> Report:
    """Check the files of a run and read its report. Raises InputError, for other folders too."""
    if not (folder / "report.json").is_file():
        accepted = "the folder of a run, which holds a report.json"
        if (folder / "training.json").is_file():
            model = quote(str(folder / "model.keras"))
            remedy = f"edgecv compress {model} with its --data makes a run of it"
            raise InputError(str(folder), "is a baseline", accepted=accepted, remedy=remedy)
        if (folder / "search.json").is_file():
            runs = sorted(str(each.parent) for each in folder.glob("*/report.json"))
            remedy = f"give one of its runs: {listed(runs)}" if runs else "it has no run yet"
            raise InputError(str(folder), "is a search", accepted=accepted, remedy=remedy)
    check_seal(folder)
    return read_report(folder)


def read_artifact(path: Path) -> Artifact:
    """Read the facts of an artifact, which are written beside it."""
    found: Artifact = _read(path, Artifact, "the facts of an artifact")
    return found


def read_model_cost(path: Path) -> ModelCost:
    """Read the costs of a model by its graph."""
    found: ModelCost = _read(path, ModelCost, "the costs of a model")
    return found


def _read(path: Path, kind: Any, accepted: str) -> Any:
    from pydantic import ValidationError

    try:
        content = read_regular(path, LARGEST_REPORT_BYTES, accepted=accepted)
        value = json_value(content)
        if not isinstance(value, dict):
            raise ValueError("holds no table")
        if kind not in (Artifact, ModelCost) and value.get("schema_version") != 1:
            raise ValueError(f'"schema_version" is {short_name(repr(value.get("schema_version")))}')
        return type_adapter(kind).validate_json(content, strict=True)
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}") from None
    except ValidationError as error:
        key, fault = fault_of(error)
        message = fault.removeprefix("Value error, ")
        found = f'"{short_name(key)}": {message}' if key else message
        raise InputError(str(path), f"is damaged: {found}", accepted=accepted) from None
    except ValueError as error:
        raise InputError(str(path), f"is damaged: {error}", accepted=accepted) from None
