"""The parts of a recipe that may be several: techniques, exports and logs."""

from collections.abc import Mapping, Sequence
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.plugins import ExperimentLog, Exporter, Technique
from edgecv.core.registry import EXPORTERS, LOGS, TECHNIQUES
from edgecv.pipeline.recipe.checks import check_order, check_trainings, distinct_logs


def parse_exports(tables: Any, where: str) -> tuple[Exporter, ...]:
    """Return the plug-ins of ``[[export]]``. Raises InputError for none, or for equal ones."""
    if not isinstance(tables, Sequence) or isinstance(tables, str) or not tables:
        raise InputError(
            where, "asks for no artifact", remedy='add [[export]] with format = "tflite"'
        )
    exports = tuple(
        EXPORTERS.parse(table, f"{where}, export[{number}]")
        for number, table in enumerate(tables, start=1)
    )
    files = [(exporter.name, exporter.precision) for exporter in exports]
    for number, file in enumerate(files, start=1):
        if file in files[: number - 1]:
            raise InputError(
                f"{where}, export[{number}]",
                f"{file[1]} as {file[0]} stands there twice",
                remedy="keep one: both would be written to the same file",
            )
    return exports


def parse_techniques(tables: Any, where: str) -> tuple[Technique, ...]:
    """Return the plug-ins of ``[[technique]]``. Raises InputError for an order that undoes one."""
    if not isinstance(tables, Sequence) or isinstance(tables, str):
        raise InputError(f"{where}, technique", f"{tables!r} is not a list of tables")
    techniques = tuple(
        TECHNIQUES.parse(table, f"{where}, technique[{number}]")
        for number, table in enumerate(tables, start=1)
    )
    check_order(techniques, where)
    check_trainings(techniques, where)
    return techniques


def parse_logs(tables: Any, where: str) -> tuple[ExperimentLog, ...]:
    """Return the plug-ins of ``[[log]]``, or of a single ``[log]``."""
    if isinstance(tables, Mapping):
        return (LOGS.parse(tables, f"{where}, [log]"),)
    if not isinstance(tables, Sequence) or isinstance(tables, str):
        raise InputError(f"{where}, log", f"{tables!r} is not a table", remedy="write [[log]]")
    logs = [LOGS.parse(each, f"{where}, log[{number}]") for number, each in enumerate(tables, 1)]
    return distinct_logs(logs, f"{where}, log")
