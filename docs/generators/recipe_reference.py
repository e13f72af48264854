"""The reference of recipes, made from their JSON schema."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from field_meanings import classes_by_name, meanings

from edgecv.core.plugins.task_registry import OF_A_HEAD
from edgecv.core.registry import ARCHITECTURES
from edgecv.pipeline.recipe.schema import recipe_schema

HEAD = """# Recipe

A recipe is a TOML file that describes a whole run. This page lists every key; it is made from
the JSON schema that `edgecv schema` prints. An unknown key, a wrong type or an impossible value is
refused before anything starts. [Recipes](../guides/recipes.md) shows how to write one.
"""
TABLES = {
    "data": ("[data]", "The data set: one of these."),
    "task": ("[task]", "What the outputs of the model mean. May be left out."),
    "baseline": ("[baseline]", "The original: a model file, or a network to train."),
    "technique": ("[[technique]]", "Steps that change the model, in the order in which they run."),
    "export": ("[[export]]", "The files to write: at least one."),
    "device": ("[device]", "The device that files are measured on: one of these targets."),
    "gates": ("[gates]", "Limits on every candidate: see [limits](../guides/limits.md)."),
    "search": (
        "[search]",
        "The recipes that `edgecv search` may try: see [the guide](../guides/search.md).",
    ),
    "log": (
        "[[log]]",
        "Where the run is kept beside others: see [logs](../guides/experiments.md).",
    ),
}
DECODERS = ("MapDecoder", "PostprocessedDecoder", "SsdDecoder", "YoloDecoder", "CellMap")
TABLES_IN_TABLES = {
    "Distillation": ("distil", "Distillation"),
    "Preprocessing": ("preprocess", "Preprocessing"),
    "TeacherNetwork": ("teacher", "A teacher"),
    "BackboneOptions": ("backbone", "A backbone"),
}
"""Class -> the key that takes such a table, and the title of its section."""
NESTED = ("Schedule", *TABLES_IN_TABLES, *DECODERS)
DISCRIMINATORS = {
    "source": "Names the data set.",
    "task": "Names the task.",
    "technique": "Names the technique.",
    "format": "Names the format.",
    "kind": "Names the decoder.",
    "target": "Names the target.",
    "log": "Names the log.",
}
OF_SCHEMA = {
    "schedule": "A named schedule to start from; the other keys change it.",
    "architecture": "The network to train where no model is given.",
    "training": "How the model is trained: the keys of [a training](#a-training).",
    "name": "The name of the run and of its folder.",
}


@dataclass(frozen=True)
class Key:
    """One key of a recipe."""

    table: str
    name: str
    type: str
    default: str
    meaning: str

    def row(self) -> str:
        """Return the row of a Markdown table."""
        meaning = self.meaning.replace("|", "\\|").replace("``", "`")
        return f"| `{self.name}` | {self.type} | {self.default} | {meaning} |"


def recipe_page() -> str:
    """Return the page in Markdown."""
    schema = recipe_schema()
    parts = [HEAD, "## Top-level keys\n"]
    own = {key: value for key, value in schema["properties"].items() if key not in TABLES}
    parts.append(_table(_keys("top level", own, "RunSettings", schema["required"])))
    for key, (title, text) in TABLES.items():
        parts.append(f"## `{title}`\n\n{text}\n")
        parts += _sections(key, schema["properties"][key])
    parts.append("## A training\n\nThe keys of `training = { ... }` and `[baseline.training]`.\n")
    training = schema["properties"]["baseline"]["properties"]["training"]
    parts.append(_table(_keys("training", training["properties"], "Schedule", [])))
    for name, (key, title) in TABLES_IN_TABLES.items():
        table = schema["$defs"][name]
        parts.append(f"## {title}\n\nThe keys of `{key} = {{ ... }}`.\n")
        parts.append(_table(_keys(key, table["properties"], name, table.get("required", []))))
    parts.append("## Decoders\n\nThe keys of `[task.decoder]`, by its `kind`.\n")
    for name in DECODERS:
        key = "decoder"
        if name == "CellMap":
            key = "maps"
            parts.append("## Maps of cells\n\nThe keys of each of a decoder's `maps`.\n")
        table = schema["$defs"][name]
        parts.append(_table(_keys(key, table["properties"], name, table.get("required", []))))
    return "\n".join(parts)


def all_keys() -> list[Key]:
    """Return every key of a recipe."""
    schema = recipe_schema()
    properties = schema["properties"]
    own = {key: value for key, value in properties.items() if key not in TABLES}
    found = _keys("top level", own, "RunSettings", schema["required"])
    for key in TABLES:
        for variant in _variants(properties[key]):
            found += _keys(
                key, variant["properties"], variant["title"], variant.get("required", [])
            )
    for name in NESTED:
        table = schema["$defs"][name]
        found += _keys(name, table["properties"], name, table.get("required", []))
    return found


def _variants(table: dict[str, Any]) -> list[dict[str, Any]]:
    table = table.get("items", table)
    variants: list[dict[str, Any]] = table.get("oneOf", [table])
    lists = [each for each in variants if each.get("type") == "array"]
    # A list of logs has the keys of one; that of tasks has more.
    heads = [
        _of_a_head(each) for each in lists if "output" in each["items"]["oneOf"][0]["properties"]
    ]
    return [each for each in variants if each not in lists] + heads


def _of_a_head(tables: dict[str, Any]) -> dict[str, Any]:
    """Return the keys that one task of several has besides those of the task itself."""
    own = tables["items"]["oneOf"][0]["properties"]
    properties = {name: own[name] for name in OF_A_HEAD}
    return {"title": "TaskHead", "properties": properties, "required": ["output"]}


def _sections(key: str, table: dict[str, Any]) -> Iterator[str]:
    for variant in _variants(table):
        name = next(
            (each["const"] for each in variant["properties"].values() if "const" in each), ""
        )
        if variant["title"] == "TaskHead":
            yield "### `[[task]]`\n\nOne of several tasks, each with the keys of its own too.\n"
        if name:
            yield f"### `{name}`\n\n{variant['description']}\n"
        yield _table(
            _keys(key, variant["properties"], variant["title"], variant.get("required", []))
        )


def _keys(table: str, properties: dict[str, Any], title: str, required: list[str]) -> list[Key]:
    known = dict(meanings(classes_by_name()[title]))
    if table == "baseline":
        for cls in ARCHITECTURES.classes.values():
            known = meanings(cls) | known
    found = []
    for name, value in properties.items():
        meaning = value.get("description") or known.get(name) or OF_SCHEMA.get(name, "")
        if "const" in value:
            meaning = DISCRIMINATORS[name]
        default = "required" if name in required else _default(value)
        found.append(Key(table, name, _type(value), default, meaning))
    return found


def _table(keys: list[Key]) -> str:
    head = "| key | type | default | meaning |\n|---|---|---|---|\n"
    return head + "\n".join(key.row() for key in keys) + "\n"


def _default(value: dict[str, Any]) -> str:
    default = value.get("default")
    if default is None or default in ({}, []):
        return ""
    if isinstance(default, dict):
        return ", ".join(f"{key} {each}" for key, each in default.items() if each is not None)
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _type(value: dict[str, Any]) -> str:
    if "const" in value:
        return f'`"{value["const"]}"`'
    if "enum" in value:
        return ", ".join(f"`{each}`" for each in value["enum"])
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[1]
        title = TABLES_IN_TABLES.get(name, ("", name))[1]
        anchor = "a-training" if name == "Schedule" else title.lower().replace(" ", "-")
        return f"[table](#{anchor})"
    if "oneOf" in value:
        return "table"
    if "anyOf" in value:
        types = [_type(each) for each in value["anyOf"] if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(types))
    kind = {"object": "table", "array": "list"}.get(value["type"], str(value["type"]))
    return kind + _limits(value)


def _limits(value: dict[str, Any]) -> str:
    low, high = value.get("minimum"), value.get("maximum")
    above, below = value.get("exclusiveMinimum"), value.get("exclusiveMaximum")
    parts = [
        f"from {low}" if low is not None else "",
        f"above {above}" if above is not None else "",
        f"to {high}" if high is not None else "",
        f"below {below}" if below is not None else "",
    ]
    said = " ".join(part for part in parts if part)
    return f", {said}" if said else ""
