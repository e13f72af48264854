"""The images that an inspected file takes, by its only input and by the flags."""

from pathlib import Path

from edgecv.core.errors import InputError, UnsuitableFile
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.preprocessing import Preprocessing, affine_of, preprocessing_text
from edgecv.core.text import counted
from edgecv.formats.contents import Contents, ImageEntry
from edgecv.formats.image_axes import image_axes
from edgecv.formats.image_input import preprocessing_of


def image_entry(path: Path, contents: Contents, input_spec: InputSpec) -> ImageEntry | None:
    """Return the images that a file takes; None if it takes others.

    Raises InputError if it cannot be read as ``input_spec`` says.
    """
    try:
        return _entry(path, contents, input_spec)
    except UnsuitableFile as error:
        if input_spec == DEFAULT_INPUT:
            return None
        raise InputError(
            str(path), error.found, accepted=error.accepted, remedy=error.remedy
        ) from None


def _entry(path: Path, contents: Contents, input_spec: InputSpec) -> ImageEntry:
    if len(contents.inputs) != 1:
        raise UnsuitableFile(
            str(path),
            f"it has {counted(len(contents.inputs), 'input')}, and --preprocess, --layout and"
            " --input-size"
            " describe the only one",
            remedy="leave them out",
        )
    taken = contents.inputs[0]
    answers = contents.outputs[0].shape if contents.outputs else ()
    axes = image_axes(path, taken, input_spec, answers)
    choice = input_spec.preprocess
    if choice is not None:
        affine_of(choice, axes.image[2], "--preprocess")
    elif taken.scale is not None:
        choice = _by_range(path, contents, axes.image[2])
    return ImageEntry(
        axes.image, axes.order, None if choice is None else preprocessing_text(choice)
    )


def _by_range(path: Path, contents: Contents, channels: int) -> Preprocessing | None:
    """Return the preprocessing that an integer input's range tells; None if it tells none."""
    try:
        return preprocessing_of(path, contents.inputs[0], DEFAULT_INPUT, channels)[0]
    except (UnsuitableFile, ValueError):
        return None
