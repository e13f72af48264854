import pytest

from edgecv.core.errors import EdgecvError, InputError, RuntimeFailure, StepError
from edgecv.core.text import nearest

pytestmark = pytest.mark.quick


def test_message_is_one_line_with_all_parts() -> None:
    error = InputError("recipes/a.toml", 'unknown key "sparcity"', accepted="a\nb", remedy="say b")
    assert str(error) == 'recipes/a.toml: unknown key "sparcity"; accepted: a b; say b'


def test_a_message_cannot_move_the_cursor() -> None:
    error = InputError("a\x1b[2J.keras", "was saved by Keras \x1b[2J\udc80", accepted="\x9b1A")
    assert str(error).isprintable()
    assert error.reason == "was saved by Keras ?[2J?; accepted: ?1A"


def test_exit_codes() -> None:
    assert (InputError.exit_code, StepError.exit_code, RuntimeFailure.exit_code) == (2, 3, 3)
    assert issubclass(InputError, EdgecvError)


def test_nearest_says_nothing_about_strangers() -> None:
    assert nearest("int9", ["int8"]) == 'did you mean "int8"?'
    assert nearest("banana", ["int8"]) == ""
