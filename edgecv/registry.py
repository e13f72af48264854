"""One registry a folder, filled by discovery: to add a plugin, add its file; no table is edited."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from edgecv.contracts import (
    Architecture,
    DatasetSource,
    Exporter,
    Importer,
    Options,
    Plugin,
    Runtime,
    Task,
    Technique,
)
from edgecv.errors import InputError, nearest

P = TypeVar("P", bound=Plugin)


class Registry(Generic[P]):
    """All plugins of one kind, found in one folder.

    ``key`` is the word that names a plugin in a recipe: ``format = "tflite"``.
    """

    def __init__(self, kind: str, base: type[P], package: str, key: str) -> None:
        self.kind = kind
        self.base = base
        self.package = package
        self.key = key

    @cached_property
    def classes(self) -> Mapping[str, type[P]]:
        """Map name to class, sorted by name."""
        package = importlib.import_module(self.package)
        found: dict[str, type[P]] = {}
        for module_info in pkgutil.iter_modules(package.__path__):
            module = importlib.import_module(f"{self.package}.{module_info.name}")
            for value in vars(module).values():
                if (
                    isinstance(value, type)
                    and issubclass(value, self.base)
                    and value.__module__ == module.__name__
                    and "name" in vars(value)
                ):
                    found[value.name] = value
        return dict(sorted(found.items()))

    def get(self, name: str, where: str) -> type[P]:
        """Return the class called ``name``. Raises InputError with the nearest name."""
        if name not in self.classes:
            raise InputError(
                where,
                f'unknown {self.kind} "{name}"',
                accepted=", ".join(self.classes),
                remedy=nearest(name, self.classes),
            )
        return self.classes[name]

    def parse(self, table: Any, where: str) -> P:
        """Make a plugin of a recipe's table: ``{key: name, option: value, ...}``."""
        if isinstance(table, self.base):
            return table
        if not isinstance(table, Mapping) or not isinstance(table.get(self.key), str):
            raise InputError(
                where,
                f'no "{self.key}" names the {self.kind}',
                accepted=", ".join(f'{self.key} = "{name}"' for name in self.classes),
            )
        options = {key: value for key, value in table.items() if key != self.key}
        return parse_options(self.get(table[self.key], where), options, where)

    def table(self, plugin: P) -> dict[str, Any]:
        """Return the recipe's table of a plugin: the inverse of ``parse``."""
        return {self.key: plugin.name, **plugin.model_dump(mode="json", exclude_none=True)}

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of one such table."""
        variants = []
        for name, cls in self.classes.items():
            schema = cls.model_json_schema()
            schema["properties"] = {self.key: {"const": name}, **schema.get("properties", {})}
            schema["required"] = [self.key, *schema.get("required", [])]
            schema["description"] = cls.help_text()
            variants.append(schema)
        return {"oneOf": variants}


NOT_CALLED_SO = {"model": "MODEL", "formats": "--format"}
"""Options that a command line has under another name than their own."""

O = TypeVar("O", bound=Options)  # noqa: E741


def parse_options(cls: type[O], options: Mapping[str, Any], where: str) -> O:
    """Validate a table of options. Raises InputError that names the key and what is accepted."""
    try:
        return cls.model_validate(dict(options))
    except ValidationError as error:
        raise _as_input_error(error, cls, where) from None


def parse_flags(cls: type[O], options: Mapping[str, Any]) -> O:
    """Validate what a command line gives. Raises InputError that names the flag."""
    try:
        return cls.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field, found = str(first["loc"][0]), first["input"]
        flag = NOT_CALLED_SO.get(field, f"--{field.replace('_', '-')}")
        if found in ("", ("",)):
            raise InputError(flag, "is empty", remedy="give a value, or leave it out") from None
        raise InputError(flag, f"{found}", accepted=_accepted(first["msg"])) from None


def _accepted(message: str) -> str:
    return message.removeprefix("Value error, ").removeprefix("Input should be ")


def _as_input_error(error: ValidationError, cls: type[BaseModel], where: str) -> InputError:
    errors = error.errors(include_url=False)
    # A misspelt key is also a missing one: the misspelling is what to tell.
    first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
    key = ".".join(str(part) for part in first["loc"])
    known = [name for name in cls.model_fields]
    if first["type"] == "extra_forbidden":
        return InputError(
            where, f'unknown key "{key}"', accepted=", ".join(known), remedy=nearest(key, known)
        )
    if first["type"] == "missing":
        return InputError(where, f'"{key}" is missing', remedy=f"add {key} = ...")
    message = _accepted(first["msg"])
    if not key:
        return InputError(where, message)
    return InputError(where, f'"{key}" is {first["input"]!r}', accepted=message)


ARCHITECTURES = Registry("architecture", Architecture, "edgecv.architectures", "architecture")
DATASETS = Registry("data set", DatasetSource, "edgecv.datasets", "source")
TASKS = Registry("task", Task, "edgecv.tasks", "task")
IMPORTERS = Registry("importer", Importer, "edgecv.importers", "importer")
TECHNIQUES = Registry("technique", Technique, "edgecv.techniques", "technique")
EXPORTERS = Registry("format", Exporter, "edgecv.exporters", "format")
RUNTIMES = Registry("runtime", Runtime, "edgecv.runtimes", "runtime")


def all_registries() -> tuple[Registry[Any], ...]:
    """Return every registry, in the order in which a run uses them."""
    return DATASETS, ARCHITECTURES, IMPORTERS, TASKS, TECHNIQUES, EXPORTERS, RUNTIMES
