"""Plug-ins of other packages that are installed beside this one, found by their entry points."""

import inspect
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from edgecv.core.plugins.plugin import Plugin
from edgecv.core.text import one_line

entries_of_all_groups = cache(entry_points)
"""Entry points of all packages, read once: each package's metadata is a file to open."""


@dataclass(frozen=True)
class InstalledPlugin:
    """An entry point of another package: its class, or the reason why it cannot be used."""

    place: str
    """``module:Class``, and the package with its version."""
    cls: type[Plugin] | None = None
    fault: str = ""


@cache
def installed_plugins(group: str) -> tuple[InstalledPlugin, ...]:
    """Import what other packages have registered in a group, by package and name.

    One that cannot be imported is returned with its fault; the others are not affected.
    """
    found = entries_of_all_groups().select(group=group)
    entries = sorted(found, key=lambda each: (_package(each), each))
    return tuple(_loaded(entry) for entry in entries)


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package"


def _loaded(entry: EntryPoint) -> InstalledPlugin:
    place = f"{entry.value} of {_package(entry)}"
    try:
        cls = entry.load()
    # Whatever the other package raises: an exit of the whole program too.
    except (Exception, SystemExit) as error:  # noqa: BLE001
        fault = f"{type(error).__name__}: {one_line(str(error))}".removesuffix(": ")
        return InstalledPlugin(place, fault=fault)
    if not isinstance(cls, type) or not issubclass(cls, Plugin):
        return InstalledPlugin(place, fault="it is no class of a plug-in")
    if missing := sorted(cls.__abstractmethods__):
        return InstalledPlugin(place, fault=f"it lacks {', '.join(missing)}")
    if not isinstance(getattr(cls, "name", None), str) or not inspect.getdoc(cls):
        return InstalledPlugin(place, fault="it has no name, or no docstring")
    return InstalledPlugin(place, cls)
