"""Messages for Python: ``--max-drop 1`` of a command line becomes ``max_drop=1``.

Messages are written once, for the command line. Names of options in them are translated; any other
text stays as it is.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

from pydantic.fields import FieldInfo

from edgecv.acceptance.options import GateOptions
from edgecv.analysis.options import (
    BenchOptions,
    DeployOptions,
    DoctorOptions,
    InspectOptions,
    ValidateOptions,
)
from edgecv.core.command_options import flag_of
from edgecv.core.errors import EdgecvError
from edgecv.core.input_spec import LAYOUTS
from edgecv.core.preprocessing import NAMED
from edgecv.core.registry import EXPORTERS
from edgecv.datasets.resolve import named_data
from edgecv.pipeline.recipe.from_flags import CompressOptions, TrainOptions
from edgecv.pipeline.search.options import SearchOptions

FLAG = re.compile(r"(?<![\w/.-])(--[a-z]+(?:-[a-z]+)*)(?: (?!--)([^\s,;()]*[^\s,;()\".:]))?")
"""A flag and the following word, which may be its value."""
ARGUMENT = re.compile(r"(?<![\w/.-])(?:an? )?([A-Z]+)(?![\w/.=-])")
"""The placeholder of an argument, with its article."""
PLACEHOLDER = re.compile(r"[A-Z]{3,}[A-Za-z]*")
OPTIONS = (
    TrainOptions, CompressOptions, ValidateOptions, GateOptions, BenchOptions, DoctorOptions,
    InspectOptions, DeployOptions, SearchOptions,
)  # fmt: skip
NUMBER = re.compile(r"\d+(?:\.\d+)?")


@contextmanager
def errors_in_parameters(arguments: Mapping[str, str]) -> Iterator[None]:
    """Name parameters in errors. ``arguments``: placeholder of a command line -> parameter."""
    try:
        yield
    except EdgecvError as error:
        error.where = _where(error.where, arguments)
        error.found = in_parameters(error.found)
        error.accepted = in_parameters(error.accepted)
        error.remedy = in_parameters(error.remedy)
        error.args = (str(error),)
        raise


def _where(where: str, arguments: Mapping[str, str]) -> str:
    """Translate the place of an error: anything after a flag is its value."""
    place = where.removeprefix("the teacher ")
    if place in arguments:
        return arguments[place]
    flag, _, value = where.partition(" ")
    if flag in flags() and value and "--" not in value:
        return _written(flags()[flag], value)
    return re.sub(r"=(?=,|$)", "", in_parameters(where))


def in_parameters(text: str) -> str:
    """Return a message of the command line with the names of Python parameters.

    >>> in_parameters("set one with --max-drop POINTS, or give --trust-model")
    'set one with max_drop=POINTS, or give trust_model=True'
    >>> in_parameters("leave --io out, or give --quantize int8")
    'leave io= out, or give quantize="int8"'
    """
    text, command, rest = text.partition("edgecv gate")  # A shell command is not translated.
    text = FLAG.sub(_of_flag, text)
    text = ARGUMENT.sub(lambda found: "model=" if found[1] == "MODEL" else found[0], text)
    return f"{text}{command}{rest}"


def _of_flag(found: re.Match[str]) -> str:
    flag, word = found[1], found[2]
    if flag not in flags():
        return found[0]
    name = flags()[flag]
    if name in switches():
        return f"{name}=True" if word is None else f"{name}=True {word}"
    if word is None:
        return f"{name}="
    return _written(name, word) if _is_value(word) else f"{name}= {word}"


def _is_value(word: str) -> bool:
    """Return True for a value of a flag, False for the next word of the sentence."""
    is_a_word = word.isascii() and word.isalpha() and word.islower()
    return word in _known_values() or not is_a_word


def _written(name: str, value: str) -> str:
    if PLACEHOLDER.fullmatch(value) or NUMBER.fullmatch(value):
        return f"{name}={value}"
    return f'{name}="{value}"'


@cache
def _known_values() -> frozenset[str]:
    """Return the values of options that are ordinary English words too."""
    precisions = [each for cls in EXPORTERS.classes.values() for each in cls.precisions]
    names = [*precisions, *EXPORTERS.classes, *NAMED, *LAYOUTS, *named_data(), "none"]
    return frozenset(names)


@cache
def flags() -> Mapping[str, str]:
    """Return the parameter of each flag of the commands that are functions too."""
    return {flag_of(name, field).name: name for name, field in _fields()}


@cache
def switches() -> frozenset[str]:
    """Return the parameters that are True or False."""
    return frozenset(name for name, field in _fields() if field.annotation is bool)


def _fields() -> Iterator[tuple[str, FieldInfo]]:
    for options in OPTIONS:
        yield from options.model_fields.items()
