"""Techniques as options: a flag for each technique whose class has one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, create_model

from edgecv.core.command_options import CommandOptions, Text
from edgecv.core.plugins import Technique, TechniqueFlag
from edgecv.core.registry import TECHNIQUES


class TechniqueOptionsBase(CommandOptions):
    """The techniques to apply."""

    section: ClassVar[str] = "Techniques"

    profile: Text | None = None
    """A board, by the name of its profile or the path of a .toml: --shrink makes the int8 file and
    its memory fit, and leaves alone what fits."""
    teacher: Text | None = None
    """A better model of the same classes and images: --distil and --student learn from it in place
    of the original."""
    unlabelled: Text | None = None
    """A folder of images without labels, which --distil, --student and others with a teacher learn
    from beside the training images: what the teacher says needs no label."""


def technique_flags() -> dict[str, TechniqueFlag]:
    """Return the flag of each technique that has one, in the order in which they are applied."""
    flags = {name: cls.flag for name, cls in TECHNIQUES.classes.items() if cls.flag is not None}
    return dict(sorted(flags.items(), key=lambda item: item[1].place))


def trains(technique: type[Technique], options: Mapping[str, Any]) -> bool:
    """Return True if a technique with these options trains the model."""
    return "training" in technique.model_fields and bool(options.get("fine_tune", True))


def _fields() -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, flag in technique_flags().items():
        kind, default = (bool, False) if flag.kind is bool else (flag.kind | None, None)
        fields[name] = (kind, Field(default=default, description=flag.help))
    return fields


if TYPE_CHECKING:

    class TechniqueOptions(TechniqueOptionsBase):
        """The techniques to apply: a field for each that has a flag."""

        def __init__(self, **given: Any) -> None: ...
else:
    TechniqueOptions = create_model("TechniqueOptions", __base__=TechniqueOptionsBase, **_fields())
