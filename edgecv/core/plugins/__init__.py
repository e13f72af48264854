"""The contract of each kind of plug-in: the methods and attributes of its one class.

A plug-in is one class in one file, in this package or in another that is installed. The class is
its own schema, defaults, validation and behaviour; the first line of its docstring is its help.
"""

from edgecv.core.plugins.architecture import Architecture
from edgecv.core.plugins.dataset import Data, DatasetSource, Progress
from edgecv.core.plugins.experiment_log import (
    ExperimentLog,
    Figures,
    LoggedResults,
    LoggedRun,
    LogSession,
)
from edgecv.core.plugins.exporter import Exporter
from edgecv.core.plugins.importer import Importer
from edgecv.core.plugins.plugin import Plugin
from edgecv.core.plugins.runtime import Runtime, Session, TensorSession, Watcher
from edgecv.core.plugins.target import (
    DeployContext,
    DeployedFile,
    Device,
    DeviceFacts,
    Target,
)
from edgecv.core.plugins.task import Task, TaskHead
from edgecv.core.plugins.task_parts import Curves, Head, Metric, Move, Proof, Terms
from edgecv.core.plugins.technique import (
    OF_FLOAT_MODELS,
    Constraint,
    Fit,
    ModelProperty,
    Technique,
    TechniqueContext,
    TechniqueFlag,
)

__all__ = [
    "OF_FLOAT_MODELS",
    "Architecture",
    "Constraint",
    "Curves",
    "Data",
    "DatasetSource",
    "DeployContext",
    "DeployedFile",
    "Device",
    "DeviceFacts",
    "ExperimentLog",
    "Exporter",
    "Figures",
    "Fit",
    "Head",
    "Importer",
    "LogSession",
    "LoggedResults",
    "LoggedRun",
    "Metric",
    "ModelProperty",
    "Move",
    "Plugin",
    "Progress",
    "Proof",
    "Runtime",
    "Session",
    "Target",
    "Task",
    "TaskHead",
    "Technique",
    "TechniqueContext",
    "TechniqueFlag",
    "TensorSession",
    "Terms",
    "Watcher",
]
