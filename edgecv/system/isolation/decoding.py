"""What a child has answered, checked: it may have been taken over by a hostile file."""

from typing import Any

from edgecv.core.records import Activation, ExecutedOperator, SessionFacts, TensorFacts
from edgecv.core.text import printable
from edgecv.system.isolation.protocol import Frame, MalformedFrame


def read_facts(frame: Frame) -> SessionFacts:
    """Return what the runtime says of a file."""
    facts = frame.header.get("facts")
    if frame.arrays or not isinstance(facts, dict):
        raise MalformedFrame("no facts")
    ends = _read_tensor(facts.get("input")), _read_tensor(facts.get("output"))
    match facts:
        case {"image": [int(height), int(width), int(channels)], "notes": list(notes)}:
            return SessionFacts(*ends, (height, width, channels), tuple(map(str, notes)))
    raise MalformedFrame("facts without an image")


def _read_tensor(facts: Any) -> TensorFacts:
    match facts:
        case {
            "name": str(name),
            "shape": list(shape),
            "type": str(kind),
            "scale": float() | None as scale,
            "zero_point": int() | None as zero_point,
        } if all(type(length) is int for length in shape):
            return TensorFacts(name, tuple(shape), kind, scale, zero_point)
    raise MalformedFrame(f"facts of a tensor: {facts!r}")


def read_executed(frame: Frame) -> list[ExecutedOperator]:
    """Return the operators that a runtime runs."""
    found = []
    for each in _listed(frame, "operators"):
        match each:
            case {
                "name": str(name),
                "type": str(kind),
                "is_delegated": bool(is_delegated),
                "microseconds": float() | None as microseconds,
            }:
                found.append(ExecutedOperator(plain(name), plain(kind), is_delegated, microseconds))
            case _:
                raise MalformedFrame(f"an operator {each!r}")
    return found


def read_activations(frame: Frame) -> list[Activation]:
    """Return what operators gave."""
    named = _listed(frame, "activations")
    if len(named) != len(frame.arrays):
        raise MalformedFrame(f"{len(frame.arrays)} arrays for {len(named)} activations")
    found = []
    for each, values in zip(named, frame.arrays, strict=True):
        match each:
            case {"name": str(name), "type": str(kind), "inputs": list(inputs)} if (
                values.dtype == "float32" and values.ndim == 2
            ):
                taken = tuple(plain(str(each)) for each in inputs)
                found.append(Activation(plain(name), plain(kind), taken, values))
            case _:
                raise MalformedFrame("an activation without a name")
    return found


def plain(text: str) -> str:
    """Return a name that may be shown: it comes from the file."""
    return printable(text)[:300]


def _listed(frame: Frame, key: str) -> list[Any]:
    listed = frame.header.get(key)
    if not isinstance(listed, list):
        raise MalformedFrame(f"no {key}")
    return listed
