"""The importer that reads a model file, and the runtime that runs it."""

from pathlib import Path

from edgecv.core.data import Shape
from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import Importer, Runtime
from edgecv.core.registry import IMPORTERS, RUNTIMES
from edgecv.core.text import counted


def importer_of(path: Path) -> Importer:
    """Return the importer that reads a file. Raises InputError if none does."""
    for cls in IMPORTERS.classes.values():
        if cls.reads(path):
            return cls()
    known = [suffix for cls in IMPORTERS.classes.values() for suffix in cls.suffixes]
    accepted = f"{', '.join(known)}, SavedModel folders"
    for runtime in RUNTIMES.classes.values():
        if runtime.runs_on_devices and path.suffix.lower() in set(runtime.suffixes) - set(known):
            raise InputError(
                str(path),
                f"is a finished {runtime.format_title} file, which is not converted again",
                accepted=accepted,
                remedy="give the model that it was made from; edgecv pack makes this file smaller"
                " as it is, validate measures it, bench times it, doctor says why it is slow or"
                " wrong, inspect shows its contents",
            )
    raise InputError(str(path), "is no model by its content", accepted=accepted)


def needs_tensorflow(path: Path) -> bool:
    """Return True unless files of this ending are imported without TensorFlow; opens nothing."""
    importers = IMPORTERS.classes.values()
    return all(cls.needs_tensorflow for cls in importers if path.suffix.lower() in cls.suffixes)


def input_shape_of(model: KerasModel, path: Path) -> Shape:
    """Return height, width and channels of a model's only input. Raises InputError for others."""
    if len(model.inputs) != 1:
        found = f"has {counted(len(model.inputs), 'input')}"
        raise InputError(str(path), found, accepted="one input of images")
    shape = tuple(model.inputs[0].shape)
    if len(shape) != 4 or None in shape[1:] or shape[3] not in (1, 3):
        raise InputError(
            str(path),
            f"takes inputs of shape {shape}",
            accepted="(None, height, width, channels) with 1 or 3 channels",
        )
    return int(shape[1]), int(shape[2]), int(shape[3])


def formats_from(path: Path) -> tuple[str, ...]:
    """Return the only formats that a file can be exported to, by its suffix; empty for all."""
    classes = IMPORTERS.classes.values()
    return next((cls.only_formats for cls in classes if path.suffix.lower() in cls.suffixes), ())


def runtime_of_format(file_format: str) -> type[Runtime]:
    """Return the runtime that opens a format. Raises InputError if there is none."""
    for cls in RUNTIMES.classes.values():
        if cls.format == file_format:
            return cls
    raise InputError("format", f"no runtime opens {file_format}")


def runtime_of_file(path: Path) -> type[Runtime]:
    """Return the runtime that opens a file, by its suffix. Raises InputError if there is none.

    A SavedModel folder is opened by the runtime of Keras models, as one layer.
    """
    is_saved_model = path.is_dir() and any(cls.reads(path) for cls in IMPORTERS.classes.values())
    for cls in RUNTIMES.classes.values():
        if path.suffix.lower() in cls.suffixes or (is_saved_model and cls.name == "keras"):
            return cls
    known = [suffix for cls in RUNTIMES.classes.values() for suffix in cls.suffixes]
    raise InputError(
        str(path), f'has the ending "{path.suffix}"', accepted=f"files in {', '.join(known)}"
    )


def device_suffixes() -> str:
    """Return the suffixes of the files that run on devices, separated by commas."""
    classes = [cls for cls in RUNTIMES.classes.values() if cls.runs_on_devices]
    return ", ".join(suffix for cls in classes for suffix in cls.suffixes)
