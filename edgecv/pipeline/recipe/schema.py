"""The JSON schema of recipes, with which editors complete and check them."""

from typing import Any

from edgecv.core.registry import (
    ARCHITECTURES,
    DATASETS,
    EXPORTERS,
    LOGS,
    TARGETS,
    TASKS,
    TECHNIQUES,
)
from edgecv.evaluation.limits import Limits
from edgecv.models.training.schedule import Schedule
from edgecv.models.training.schedules import SCHEDULES, USUAL_SCHEDULE
from edgecv.pipeline.recipe.parts import BaselineOptions
from edgecv.pipeline.recipe.run_settings import RunSettings
from edgecv.pipeline.recipe.search_space import SearchSpace


def recipe_schema() -> dict[str, Any]:
    """Return the JSON schema of recipes, for editors."""
    settings = RunSettings.model_json_schema()
    del settings["$defs"]  # Of a device, whose table is that of a plug-in.
    baseline = BaselineOptions.model_json_schema()
    training = Schedule.model_json_schema()
    training["properties"]["schedule"] = {"enum": list(SCHEDULES), "default": USUAL_SCHEDULE}
    names = {"enum": list(ARCHITECTURES.classes), "default": "cifar_cnn"}
    options: dict[str, Any] = {}
    for cls in ARCHITECTURES.classes.values():
        options |= cls.model_json_schema().get("properties", {})
    baseline["properties"] |= {"architecture": names, **options, "training": training}
    settings["properties"] |= {
        "data": DATASETS.schema(),
        "task": TASKS.schema(),
        "baseline": baseline,
        "technique": {"type": "array", "items": TECHNIQUES.schema()},
        "export": {"type": "array", "minItems": 1, "items": EXPORTERS.schema()},
        "device": TARGETS.schema(),
        "gates": Limits.model_json_schema(),
        "search": SearchSpace.model_json_schema(),
        "log": {"oneOf": [*LOGS.schema()["oneOf"], {"type": "array", "items": LOGS.schema()}]},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": _definitions_within(settings),
        **settings,
        "title": "edgecv recipe",
        "required": ["name", "data"],
    }


def _definitions_within(schema: Any) -> dict[str, Any]:
    """Move the definitions out of all inner tables: references point to the outermost one."""
    found: dict[str, Any] = {}
    if isinstance(schema, dict):
        found |= schema.pop("$defs", {})
        for value in [*schema.values(), *found.values()]:
            found |= _definitions_within(value)
    elif isinstance(schema, list):
        for value in schema:
            found |= _definitions_within(value)
    return found
