"""An architecture with its options, as an option of something else."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer

from edgecv.core.errors import InputError
from edgecv.core.plugins import Architecture, Task
from edgecv.core.registry import ARCHITECTURES


def _parsed(given: Any) -> Any:
    return ARCHITECTURES.parse(given, "network") if isinstance(given, Mapping) else given


def _described(schema: dict[str, Any]) -> None:
    schema.update(ARCHITECTURES.schema())
    schema.pop("$ref", None)


Network = Annotated[
    Architecture,
    BeforeValidator(_parsed),
    PlainSerializer(lambda network: ARCHITECTURES.table(network)),
    Field(json_schema_extra=_described),
]
"""A table ``{architecture = "ds_cnn", blocks = 3}``, as a recipe has it."""


def features_of(task: Task) -> str:
    """Return the features that the head of a task takes: a "row" or a "map"."""
    kinds = {head.task.features for head in task.heads()}
    return "map" if "map" in kinds else "row"


def check_features(architecture: Architecture, task: Task, where: str) -> None:
    """Raise InputError if the head of the task does not fit the architecture."""
    wanted = features_of(task)
    if architecture.features != wanted:
        fitting = [name for name, cls in ARCHITECTURES.classes.items() if cls.features == wanted]
        raise InputError(
            where,
            f"{architecture.name} gives a {architecture.features} of features, and the task "
            f"{task.name} takes a {wanted}",
            accepted=", ".join(fitting),
        )
