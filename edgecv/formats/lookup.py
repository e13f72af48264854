"""The importer that reads a model file, and the runtime that runs it."""

from pathlib import Path
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.plugins import Runtime
from edgecv.core.records import Shape
from edgecv.core.registry import IMPORTERS, RUNTIMES


def importer_of(path: Path) -> Any:
    """Return the importer that reads a file. Raises InputError that says what is read."""
    for cls in IMPORTERS.classes.values():
        if cls.reads(path):
            return cls()
    known = [suffix for cls in IMPORTERS.classes.values() for suffix in cls.suffixes] + [".onnx"]
    raise InputError(
        str(path), "is no model by its content", accepted=f"{', '.join(known)}, SavedModel folders"
    )


def count_outputs(model: Any, path: Path) -> int:
    """Return how many numbers a model gives for an image.

    Raises InputError unless it takes one image and gives one row of numbers.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise InputError(
            str(path),
            f"has {len(model.inputs)} inputs and {len(model.outputs)} outputs",
            accepted="one of each",
        )
    outputs = tuple(model.outputs[0].shape)
    if len(outputs) != 2 or outputs[1] is None or outputs[1] < 2:
        raise InputError(
            str(path),
            f"gives outputs of shape {outputs}",
            accepted="(None, classes): one number a class for an image",
        )
    return int(outputs[1])


def input_shape_of(model: Any, path: Path) -> Shape:
    """Return height, width and channels of a model's input. Raises InputError if not fixed."""
    shape = tuple(model.inputs[0].shape)
    if len(shape) != 4 or None in shape[1:] or shape[3] not in (1, 3):
        raise InputError(
            str(path),
            f"takes inputs of shape {shape}",
            accepted="(None, height, width, channels) with 1 or 3 channels",
        )
    return int(shape[1]), int(shape[2]), int(shape[3])


def runtime_of_format(file_format: str) -> type[Runtime]:
    """Return the runtime that opens a format."""
    for cls in RUNTIMES.classes.values():
        if cls.format == file_format:
            return cls
    raise InputError("format", f"no runtime opens {file_format}")


def runtime_of_file(path: Path) -> type[Runtime]:
    """Return the runtime that opens a file by its ending. Raises InputError that says which."""
    for cls in RUNTIMES.classes.values():
        if path.suffix.lower() in cls.suffixes:
            return cls
    known = [suffix for cls in RUNTIMES.classes.values() for suffix in cls.suffixes]
    raise InputError(
        str(path), f'has the ending "{path.suffix}"', accepted=f"files in {', '.join(known)}"
    )


def device_suffixes() -> str:
    """Return the endings of the files that are for a device, with commas."""
    classes = [cls for cls in RUNTIMES.classes.values() if cls.runs_on_devices]
    return ", ".join(suffix for cls in classes for suffix in cls.suffixes)
