"""An architecture with its options, as an option of something else."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer

from edgecv.core.plugins import Architecture
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
