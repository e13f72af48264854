"""The values of a Keras 3 layer's options, as plain data for tf-keras.

tf-keras gets only values that are made here: numbers, strings, lists of them, and tables of the
three kinds of objects below.
"""

from collections.abc import Mapping
from typing import Any

from edgecv.formats.keras.allowlist import CONSTRAINTS, INITIALIZERS, REGULARIZERS

RENAMED = {"OrthogonalInitializer": "Orthogonal", "IdentityInitializer": "Identity"}
KINDS = {
    "initializer": INITIALIZERS,
    "regularizer": REGULARIZERS,
    "constraint": CONSTRAINTS,
}


class NoCounterpart(Exception):
    """A value without a counterpart in tf-keras. The message is the reason, as of a Problem."""


def plain(value: Any, option: str) -> Any:
    """Return numbers, strings and lists of them; a numpy array becomes lists."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [plain(each, option) for each in value]
    if isinstance(value, dict) and value.get("class_name") in ("__numpy__", "__tensor__"):
        return plain(table(value.get("config"), option).get("value"), option)
    raise NoCounterpart(f"has {option} that is no number, word or list")


def table(value: Any, option: str) -> Mapping[str, Any]:
    """Return a table. Raises NoCounterpart if it is none."""
    if not isinstance(value, dict):
        raise NoCounterpart(f"has {option} that is no table")
    return value


def seed(value: Any) -> int | None:
    """Return a seed that is a number, else None: a seed generator has no counterpart."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def check_float32(policy: Any) -> None:
    """Raise NoCounterpart for a layer that does not compute in float32."""
    name = policy
    if isinstance(policy, dict):
        name = table(policy.get("config"), "a dtype").get("name")
    if name not in (None, "float32"):
        raise NoCounterpart(f"computes in {name!r}, not in float32")


def object_of(value: Any, option: str) -> dict[str, Any] | None:
    """Return an initializer, a regularizer or a constraint, by the end of the option's name.

    >>> object_of({"class_name": "L2", "config": {"l2": 0.5}}, "kernel_regularizer")
    {'class_name': 'L2', 'config': {'l2': 0.5}}
    """
    if value is None:
        return None
    found = table(value, option)
    name, config = found.get("class_name"), found.get("config")
    if not isinstance(name, str) or name not in KINDS[option.rpartition("_")[2]]:
        raise NoCounterpart(f"has {option} {name!r}")
    name = RENAMED.get(name, name)
    options = {
        key: seed(each) if key == "seed" else plain(each, f"{option}.{key}")
        for key, each in table(config or {}, option).items()
        if each is not None
    }
    return {"class_name": name, "config": options}
