"""The import of onnx-ir, without the algebra that only symbolic expressions of shapes need."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

SHAPES = ("sympy", "onnx_ir._symbolic_shapes")
"""The modules that onnx-ir computes shapes with: most of the time of its import is theirs."""


class LateModule(ModuleType):
    """A module that is imported at the first use of a name in it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(importlib.import_module(self.__name__), name)


def load_onnx_ir() -> ModuleType:
    """Import onnx-ir: each child that opens an ONNX file does."""
    if "onnx_ir" not in sys.modules:
        with _late(SHAPES):
            importlib.import_module("onnx_ir")
    return sys.modules["onnx_ir"]


@contextmanager
def _late(names: tuple[str, ...]) -> Iterator[None]:
    """Let what is imported in the block take modules that are imported at their first use.

    Everything else finds the modules themselves.
    """
    late = {name: LateModule(name) for name in names if name not in sys.modules}
    sys.modules.update(late)
    try:
        yield
    finally:
        for name, module in late.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
