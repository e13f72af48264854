"""The values of a Keras 3 layer's options, as plain data for tf-keras.

tf-keras gets only values that are made here: numbers, strings, lists of them, and tables of the
three kinds of objects below, with the options that both versions have.
"""

from collections.abc import Mapping
from typing import Any

from edgecv.formats.keras.allowlist import CONSTRAINTS, INITIALIZERS, REGULARIZERS

OPTIONS_OF_OBJECTS = {
    "L1": ("l1",),
    "L2": ("l2",),
    "L1L2": ("l1", "l2"),
    "MaxNorm": ("max_value", "axis"),
    "MinMaxNorm": ("min_value", "max_value", "rate", "axis"),
    "UnitNorm": ("axis",),
    "Constant": ("value",),
    "Identity": ("gain",),
    "Orthogonal": ("gain", "seed"),
    "RandomNormal": ("mean", "stddev", "seed"),
    "TruncatedNormal": ("mean", "stddev", "seed"),
    "RandomUniform": ("minval", "maxval", "seed"),
    "VarianceScaling": ("scale", "mode", "distribution", "seed"),
    "GlorotNormal": ("seed",),
    "GlorotUniform": ("seed",),
    "HeNormal": ("seed",),
    "HeUniform": ("seed",),
    "LecunNormal": ("seed",),
    "LecunUniform": ("seed",),
}
RENAMED = {"OrthogonalInitializer": "Orthogonal", "IdentityInitializer": "Identity"}
UNUSED = {"input_axes": None, "output_axes": None}
"""Options of initializers that tf-keras does not have, and what they are when not used."""
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
    known = OPTIONS_OF_OBJECTS.get(name, ())
    options = {}
    for key, each in table(config or {}, option).items():
        if key == "seed":
            options[key] = seed(each)
        elif key in known:
            options[key] = plain(each, f"{option}.{key}")
        elif key not in UNUSED or each != UNUSED[key]:
            raise NoCounterpart(f"has {option} {name} with the option {key}")
    return {"class_name": name, "config": options}
