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


def check_features(architecture: Architecture, task: Task, where: str) -> None:
    """Raise InputError if the head of the task does not fit the architecture."""
    kinds = {head.task.features for head in task.heads()}
    wanted = "map" if "map" in kinds else "row"
    if architecture.features != wanted:
        fitting = [name for name, cls in ARCHITECTURES.classes.items() if cls.features == wanted]
        raise InputError(
            where,
            f"{architecture.name} gives a {architecture.features} of features, and the task "
            f"{task.name} takes a {wanted}",
            accepted=", ".join(fitting),
        )
