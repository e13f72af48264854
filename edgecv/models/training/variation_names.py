"""Variations of training images by name: the strengths that are known, and a list of them read."""

from collections.abc import Iterable, Mapping
from typing import Any

VARIATIONS = {
    "crop": (0.1, 1.0, 0.7),
    "rotate": (0.0, 180.0, 10.0),
    "colour": (0.0, 1.0, 0.2),
    "blur": (0.1, 5.0, 1.0),
    "choose": (1.0, 4.0, 2.0),
}
"""The least, the greatest and the usual strength of each variation."""
KEYS = {"flip": "mirror", "shift": "shift", "cutout": "cutout", "mixup": "mixup"}
"""Variations with a key of their own, by their name in a list."""
USUAL = {"mirror": True, "shift": 2, "cutout": 8, "mixup": 0.2}


def listed_variations(texts: Iterable[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a list of variations asks for: options with keys of their own, and the others.

    Raises ValueError.
    """
    own, others = dict[str, Any](), dict[str, Any]()
    for text in texts:
        key, value = _variation(text)
        if key in own or key in others:
            raise ValueError(f"each variation once: {key} stands there twice")
        (own if key in KEYS.values() else others)[key] = value
    return own, others


def check_variations(found: Mapping[str, float]) -> None:
    """Raise ValueError for a variation that is not known, or not of such a strength."""
    for name, value in found.items():
        if name not in VARIATIONS:
            raise ValueError(f'known variations: "{name}" is none of {", ".join(VARIATIONS)}')
        least, most, _ = VARIATIONS[name]
        if not least <= value <= most:
            raise ValueError(f"{name} from {least:g} to {most:g}")
    if not float(found.get("choose", 1)).is_integer():
        raise ValueError("a whole number of variations to choose")
    if "choose" in found and not 1 <= found["choose"] < len(found):
        raise ValueError("choose below the number of variations that it chooses from")


def _variation(text: Any) -> tuple[str, Any]:
    """Return the key and the value of ``NAME`` or ``NAME=NUMBER``. Raises ValueError."""
    name, is_given, number = str(text).partition("=")
    key = KEYS.get(name.strip(), name.strip())
    if key not in VARIATIONS and key not in USUAL:
        known = ", ".join([*VARIATIONS, *KEYS])
        raise ValueError(f'known variations: "{text}" is none of {known}')
    if not is_given:
        return key, USUAL[key] if key in USUAL else VARIATIONS[key][2]
    if key == "mirror":
        raise ValueError(f'{name.strip()} takes no number: "{text}"')
    try:
        value = float(number)
    except ValueError:
        raise ValueError(f'a number after {name}=: "{text}"') from None
    return key, int(value) if key in ("shift", "cutout") and value.is_integer() else value
