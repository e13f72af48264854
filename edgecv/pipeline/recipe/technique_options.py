"""Techniques as options: a flag for each technique whose class has one."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, create_model

from edgecv.core.command_options import CommandOptions
from edgecv.core.errors import InputError
from edgecv.core.options import Text, parse_options
from edgecv.core.plugins import Exporter, Technique, TechniqueFlag
from edgecv.core.registry import TECHNIQUES
from edgecv.targets.board import profile_named


class TechniqueOptionsBase(CommandOptions):
    """The techniques to apply."""

    section: ClassVar[str] = "Techniques"

    profile: Text | None = None
    """A board, by the name of its profile (edgecv list) or the path of a .toml: --shrink makes the
    int8 file and its memory fit, and leaves alone what fits."""
    teacher: Text | None = None
    """A better model of the same classes and images: --distil and --student learn from it in place
    of the original."""
    unlabelled: Text | None = None
    """A folder of images without labels, or a .npy of them, which --distil, --student and others
    with a teacher learn from beside the training images: what it says needs no label."""

    def given_techniques(self) -> dict[str, Any]:
        """Return the values of the techniques' flags, in the order of application."""
        values = {name: getattr(self, name) for name in technique_flags()}
        return {
            name: each for name, each in values.items() if each is not None and each is not False
        }

    def board_targets(self) -> dict[str, int]:
        """Return the memories of the board that files are to fit into, as targets of shrink."""
        if self.profile is None:
            return {}
        board = profile_named(self.profile)
        return {"int8_bytes": board.flash_bytes, "arena_bytes": board.ram_bytes}

    def parsed_techniques(
        self, exports: Sequence[Exporter], training: Mapping[str, Any]
    ) -> tuple[Technique, ...]:
        """Return the techniques in their order of application. Raises InputError.

        ``training``: the options of each training that are given.
        """
        asked, board, techniques = self.given_techniques(), self.board_targets(), []
        if board:
            # It is a shrink, and a student has its own widths.
            self.refuse(
                "--profile", ("student",), ", or see whether it fits: edgecv deploy --profile"
            )
            asked = {"shrink": None, **asked}
        for name, value in asked.items():
            flag = technique_flags()[name]
            options = {} if value is None else flag.parse(value, exports)
            if name == "shrink":
                options |= {key: min(most, options.get(key, most)) for key, most in board.items()}
            for other in asked:
                options |= flag.beside.get(other, {})
            cls = TECHNIQUES.get(name, self.flag_name(name))
            if training and trains(cls, options):
                options["training"] = training
            techniques.append(parse_options(cls, options, self.flag_name(name)))
        return tuple(techniques)


def technique_flags() -> dict[str, TechniqueFlag]:
    """Return the flag of each technique that has one, in the order in which they are applied."""
    flags = {name: cls.flag for name, cls in TECHNIQUES.classes.items() if cls.flag is not None}
    return dict(sorted(flags.items(), key=lambda item: item[1].place))


def trains(technique: type[Technique], options: Mapping[str, Any]) -> bool:
    """Return True if a technique with these options trains the model."""
    return "training" in technique.model_fields and bool(options.get("fine_tune", True))


def can_be_written(cls: type[Technique], options: Mapping[str, Any], export: Exporter) -> bool:
    """Return True if a file can have what a technique with these options does to a model."""
    if cls.precisions is not None and export.precision not in cls.precisions:
        return False
    try:
        technique = TECHNIQUES.parse({"technique": cls.name, **options}, cls.name)
    except InputError:
        return True  # It needs others beside it, and is refused where it is drawn without.
    try:
        technique.check_exports((export,), cls.name)
    except InputError:
        return False
    return True


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
