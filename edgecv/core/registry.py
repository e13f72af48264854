"""One registry a folder, filled by discovery: to add a plugin, add its file; no table is edited."""

import importlib
import importlib.util
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar

from edgecv.core.errors import InputError
from edgecv.core.options import parse_options
from edgecv.core.plugins import (
    Architecture,
    DatasetSource,
    Exporter,
    Importer,
    Plugin,
    Runtime,
    Task,
    Technique,
)
from edgecv.core.text import nearest

P = TypeVar("P", bound=Plugin)


class Registry(Generic[P]):
    """All plugins of one kind, found in one folder.

    ``key`` is the word that names a plugin in a recipe: ``format = "tflite"``. ``module`` is the
    file of each folder of ``package`` that holds one, where a plugin has a folder of its own.
    """

    def __init__(
        self, kind: str, base: type[P], package: str, key: str, module: str | None = None
    ) -> None:
        self.kind = kind
        self.base = base
        self.package = package
        self.key = key
        self.module = module

    @cached_property
    def classes(self) -> Mapping[str, type[P]]:
        """Map name to class, sorted by name."""
        found: dict[str, type[P]] = {}
        for name in self._modules():
            module = importlib.import_module(name)
            for value in vars(module).values():
                if (
                    isinstance(value, type)
                    and issubclass(value, self.base)
                    and value.__module__ == module.__name__
                    and "name" in vars(value)
                ):
                    found[value.name] = value
        return dict(sorted(found.items()))

    def _modules(self) -> Iterator[str]:
        """Name the modules that a plugin may be in."""
        package = importlib.import_module(self.package)
        for found in pkgutil.iter_modules(package.__path__, f"{self.package}."):
            if self.module is None:
                yield found.name
            elif found.ispkg and importlib.util.find_spec(f"{found.name}.{self.module}"):
                yield f"{found.name}.{self.module}"

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


ARCHITECTURES = Registry(
    "architecture", Architecture, "edgecv.models.architectures", "architecture"
)
DATASETS = Registry("data set", DatasetSource, "edgecv.datasets", "source")
DEFAULT_TASK = {"task": "classification"}
"""The task of recipes, reports and files that name none."""
TASKS = Registry("task", Task, "edgecv.evaluation.tasks", "task")
IMPORTERS = Registry("importer", Importer, "edgecv.formats", "importer", "importer")
TECHNIQUES = Registry("technique", Technique, "edgecv.techniques", "technique")
EXPORTERS = Registry("format", Exporter, "edgecv.formats", "format", "exporter")
RUNTIMES = Registry("runtime", Runtime, "edgecv.formats", "runtime", "runtime")


def all_registries() -> tuple[Registry[Any], ...]:
    """Return every registry, in the order in which a run uses them."""
    return DATASETS, ARCHITECTURES, IMPORTERS, TASKS, TECHNIQUES, EXPORTERS, RUNTIMES
