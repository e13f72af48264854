"""The registry of each kind of plug-in.

Our own plug-ins are the files of a folder. Those of another package are named by its entry points,
in the groups ``edgecv.techniques``, ``edgecv.formats`` (exporters, runtimes and importers),
``edgecv.datasets``, ``edgecv.tasks``, ``edgecv.architectures``, ``edgecv.targets`` and
``edgecv.logs``.
"""

from typing import Any

from edgecv.core.plugins import (
    Architecture,
    DatasetSource,
    ExperimentLog,
    Exporter,
    Importer,
    Runtime,
    Target,
    Task,
    Technique,
)
from edgecv.core.plugins.registry import Registry
from edgecv.core.plugins.task_registry import TaskRegistry

FORMATS = "edgecv.formats"
ARCHITECTURES = Registry(
    "architecture",
    Architecture,
    "edgecv.models.architectures",
    "architecture",
    group="edgecv.architectures",
)
DATASETS = Registry("data set", DatasetSource, "edgecv.datasets", "source", group="edgecv.datasets")
DEFAULT_TASK = {"task": "classification"}
"""The task of recipes, reports and files that do not name one."""
TASKS = TaskRegistry("task", Task, "edgecv.evaluation.tasks", "task", group="edgecv.tasks")
IMPORTERS = Registry("importer", Importer, FORMATS, "importer", group=FORMATS, module="importer")
TECHNIQUES = Registry(
    "technique", Technique, "edgecv.techniques", "technique", group="edgecv.techniques"
)
EXPORTERS = Registry("format", Exporter, FORMATS, "format", group=FORMATS, module="exporter")
RUNTIMES = Registry("runtime", Runtime, FORMATS, "runtime", group=FORMATS, module="runtime")

TARGETS = Registry(
    "target", Target, "edgecv.targets", "target", group="edgecv.targets", module="target"
)

LOGS = Registry("log", ExperimentLog, "edgecv.reports.logs", "log", group="edgecv.logs")


def all_registries() -> tuple[Registry[Any], ...]:
    """Return every registry, in the order in which a run uses them."""
    return (
        DATASETS, ARCHITECTURES, IMPORTERS, TASKS, TECHNIQUES, EXPORTERS, RUNTIMES, TARGETS, LOGS,
    )  # fmt: skip
