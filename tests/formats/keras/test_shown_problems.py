"""The refusal of a file as a sentence: what is refused many times is named once."""

import pytest

from edgecv.formats.keras.allowlist import Problem, shown_problems

pytestmark = pytest.mark.quick


def test_equal_problems_are_one_sentence() -> None:
    reason = "is of builtins, which could run code of the file's author"
    many = [Problem(f"swish_{number}", "kecam>swish", reason) for number in range(23)]
    other = Problem("split", "TFOpLambda", "calls tf.py_function")
    assert shown_problems([*many, other, other]) == [
        f"swish_0 and 22 more (kecam>swish) {reason}",
        "split (TFOpLambda) calls tf.py_function",
    ]
