"""Errors of a call speak of parameters: every option, in every part of a message."""

import pytest

from edgecv.api.parameter_names import OPTIONS, errors_in_parameters, in_parameters
from edgecv.core.command_options import flag_of
from edgecv.core.errors import EdgecvError, InputError, StepError

pytestmark = pytest.mark.quick

EVERY = sorted(
    {(flag_of(*item).name, item[0]) for cls in OPTIONS for item in cls.model_fields.items()}
)
FLAGS = [(flag, name) for flag, name in EVERY if flag.startswith("--")]


def raised(error: EdgecvError, **arguments: str) -> EdgecvError:
    with pytest.raises(type(error)) as caught, errors_in_parameters(arguments):
        raise error
    return caught.value


@pytest.mark.parametrize(("flag", "name"), FLAGS)
def test_every_flag_is_a_parameter_in_every_part(flag: str, name: str) -> None:
    error = raised(
        InputError(
            flag, f"goes with {flag}", accepted=f"1, or {flag} 2", remedy=f"leave {flag} out"
        )
    )
    for part in (error.found, error.accepted, error.remedy, str(error)):
        assert "--" not in part
        assert f"{name}=" in part
    assert error.where in (name, f"{name}=True")


@pytest.mark.parametrize(("flag", "name"), FLAGS)
def test_the_place_keeps_its_value(flag: str, name: str) -> None:
    where = raised(StepError(f"{flag} my photos/a.npz", "is wrong")).where
    assert where == f'{name}="my photos/a.npz"'


def test_arguments_are_parameters() -> None:
    assert raised(InputError("MODEL", "there is no file x"), MODEL="model").where == "model"
    assert raised(InputError("PATH", "none given"), PATH="paths").where == "paths"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("give --force, or another --name", "give force=True, or another name="),
        ("leave --io out, or give --quantize int8", 'leave io= out, or give quantize="int8"'),
        ("to go on: --format tflite --format onnx", 'to go on: formats="tflite" formats="onnx"'),
        ("give --layout nchw or --layout nhwc", 'give layout="nchw" or layout="nhwc"'),
        ("give --preprocess -1..1", 'give preprocess="-1..1"'),
        ("give --preprocess with one of 0..1", "give preprocess= with one of 0..1"),
        ("--labels FILE names each output", "labels=FILE names each output"),
        ("set one with --max-drop POINTS", "set one with max_drop=POINTS"),
        ("--skip-bad-images leaves them out", "skip_bad_images=True leaves them out"),
        ("put images under train/, or give a MODEL", "put images under train/, or give model="),
        ("--preprocess, --layout", "preprocess=, layout="),
        ("accept a run: edgecv gate RUN --update", "accept a run: edgecv gate RUN --update"),
        ("exported/--name/x.tflite and --verbose", "exported/--name/x.tflite and --verbose"),
        ("exported/MODEL.keras", "exported/MODEL.keras"),
    ],
)  # fmt: skip
def test_sentences(text: str, expected: str) -> None:
    assert in_parameters(text) == expected


def test_the_error_keeps_its_class_and_its_message() -> None:
    error = raised(StepError("--fix", "cannot", remedy="give --baseline"))
    assert str(error) == error.args[0] == "fix: cannot; give baseline="
    assert error.exit_code == 3
