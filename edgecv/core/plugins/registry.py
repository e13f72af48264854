"""The registry of one kind of plug-in, filled by discovery: adding a plug-in is adding a file."""

import hashlib
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from edgecv.core.errors import InputError
from edgecv.core.options import parse_options
from edgecv.core.plugins import Plugin
from edgecv.core.plugins.installed import installed_plugins
from edgecv.core.text import nearest

P = TypeVar("P", bound=Plugin)
BASES: dict[str, list[type[Plugin]]] = {}
"""The base classes of the plug-ins of each group of entry points."""


class Registry(Generic[P]):
    """All plug-ins of one kind: those in one folder, and those of other packages.

    ``key`` is the key that names a plug-in in a recipe: ``format = "tflite"``. ``module`` is the
    file with the plug-in in each subfolder of ``package``, where plug-ins have their own folders.
    Other packages are searched when all names, or a name that is not our own, are requested.
    """

    def __init__(
        self,
        kind: str,
        base: type[P],
        package: str,
        key: str,
        *,
        group: str,
        module: str | None = None,
    ) -> None:
        BASES.setdefault(group, []).append(base)
        self.kind = kind
        self.base = base
        self.package = package
        self.key = key
        self.group = group
        self.module = module

    @cached_property
    def classes(self) -> Mapping[str, type[P]]:
        """Map name to class, sorted by name: our own, and those of other packages."""
        others = {name: cls for name, (_, cls) in self._usable.items()}
        return dict(sorted({**self.own, **others}.items()))

    @cached_property
    def faults(self) -> tuple[str, ...]:
        """Describe each plug-in of another package that cannot be used, and the reason."""
        bases = tuple(dict.fromkeys(BASES[self.group]))
        kinds = " or ".join(base.__name__ for base in bases)
        found = []
        for each in installed_plugins(self.group):
            fault = each.fault
            if each.cls is not None and not issubclass(each.cls, bases):
                fault = f"{self.group} is for a class that is {kinds}"
            found += [f"{each.place} cannot be used: {fault}"] if fault else []
        return (*found, *filter(None, map(self._clash, self._named)))

    @cached_property
    def _named(self) -> Mapping[str, list[tuple[str, type[P]]]]:
        """Map name to the places and classes of other packages with that name."""
        found: dict[str, list[tuple[str, type[P]]]] = {}
        for each in installed_plugins(self.group):
            if each.cls is not None and issubclass(each.cls, self.base):
                found.setdefault(each.cls.name, []).append((each.place, each.cls))
        return found

    @cached_property
    def _usable(self) -> Mapping[str, tuple[str, type[P]]]:
        return {name: found[0] for name, found in self._named.items() if not self._clash(name)}

    def package_of(self, name: str) -> str:
        """Return the package that a plug-in comes from, empty for edgecv itself."""
        return "" if name in self.own else self._usable[name][0].rpartition(" of ")[2]

    def _clash(self, name: str) -> str:
        """Describe a conflict of another package's plug-in name; empty if there is none."""
        places = [place for place, _ in self._named[name]]
        if name in self.own:
            own = self.own[name]
            places.insert(0, f"{own.__module__}:{own.__name__} of edgecv, which is used")
        if len(places) == 1:
            return ""
        return f'{self.kind} "{name}" is there twice: {" and ".join(places)}'

    @cached_property
    def own(self) -> Mapping[str, type[P]]:
        """Map name to class, sorted by name: those of this package."""
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
        """Name the modules that a plug-in may be in."""
        package = importlib.import_module(self.package)
        for found in pkgutil.iter_modules(package.__path__, f"{self.package}."):
            if self.module is None:
                yield found.name
            elif found.ispkg and importlib.util.find_spec(f"{found.name}.{self.module}"):
                yield f"{found.name}.{self.module}"

    def get(self, name: str, where: str) -> type[P]:
        """Return the class called ``name``. Raises InputError with the nearest name.

        Where a plug-in of another package cannot be used, the error names that too.
        """
        if name in self.own:  # Found without searching other packages.
            return self.own[name]
        if name in self.classes:
            return self.classes[name]
        remedies = [nearest(name, self.classes), *self.faults]
        raise InputError(
            where,
            f'unknown {self.kind} "{name}"',
            accepted=", ".join(self.classes),
            remedy="; ".join(filter(None, remedies)),
        )

    def parse(self, table: Any, where: str) -> P:
        """Make a plug-in of a recipe's table: ``{key: name, option: value, ...}``."""
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
        """Return the recipe's table of a plug-in: the inverse of ``parse``."""
        return {self.key: plugin.name, **plugin.model_dump(mode="json", exclude_none=True)}

    def identity(self, plugin: P) -> dict[str, Any]:
        """Return what the stored results of a plug-in depend on: its table.

        Of options by name pattern the first that matches counts: with their order, unless that is
        the one of a key. For a plug-in of another package also its origin, and a hash of its
        source file.
        """
        table = self.table(plugin)
        for key, own in list(table.items()):
            if isinstance(getattr(plugin, key, None), Mapping) and list(own) != sorted(own):
                table[key] = [list(each) for each in own.items()]
        if plugin.name in self.own:
            return table
        defined = sys.modules[type(plugin).__module__].__file__
        content = b"" if defined is None else Path(defined).read_bytes()
        place = self._usable[plugin.name][0]
        return {**table, "plugin": [place, hashlib.sha256(content).hexdigest()]}

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
