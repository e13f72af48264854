"""A reader of pickles of plain values and byte arrays that runs no code of theirs."""

import io
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.text import printable


class Damaged(Exception):
    """A file is damaged; the message names the file and the reason."""


def unpickle(name: str, data: bytes) -> Any:
    """Read a pickle of plain values and byte arrays. It can run no code. Raises Damaged."""
    try:
        return _Unpickler(io.BytesIO(data), encoding="bytes").load()
    except Damaged as error:
        raise Damaged(f"{name} {error}") from None
    except Exception as error:  # noqa: BLE001 - pickle raises anything on damage
        raise Damaged(f"{name} is damaged ({type(error).__name__}: {error})") from None


class _Unpickler(pickle.Unpickler):
    """An unpickler that replaces the three allowed names, so that no code of numpy runs either."""

    _known = frozenset(
        {
            *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._known:
            raise Damaged(
                f"asks for {printable(module)}.{printable(name)}, which CIFAR-10 does not: "
                "it may be an attack"
            )
        return _StandIn(name)


class _StandIn:
    """A replacement of a function or class of numpy.

    An object and not a class, because a pickle can set attributes on anything it names.
    """

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *arguments: Any) -> Any:
        if self._name == "_reconstruct":
            return ByteArray()
        if self._name == "dtype" and arguments and as_text(arguments[0]) == "u1":
            return _ByteType()
        raise Damaged("holds something else than arrays of bytes")

    def __setstate__(self, state: Any) -> None:
        raise Damaged("changes what it may only name")


class _ByteType:
    """A replacement of numpy's dtype of bytes; its state, the byte order, is ignored."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        pass


class ByteArray:
    """A replacement of an array; its state is (version, shape, dtype, is Fortran, bytes)."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: NDArray[np.uint8] | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, is_fortran, content = state
        if not isinstance(kind, _ByteType) or type(content) is not bytes:
            raise Damaged("holds something else than arrays of bytes")
        order: Any = "F" if is_fortran else "C"
        self.values = np.frombuffer(content, np.uint8).reshape(shape, order=order)


def as_text(value: Any) -> str:
    """Return a string, which Python 2 pickled as bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
