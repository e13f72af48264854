"""What a team sees of assertions that hold, that do not, and of wrong input."""

import pytest
from team_project import Seen, Team

TESTS = """
import pytest

BASELINE = {"baseline": "models/baseline.onnx", "data": "digits"}

@pytest.fixture(scope="module")
def bad(edgecv_compare):
    return edgecv_compare("models/bad.onnx", **BASELINE)

def test_all_holds(edgecv_compare):
    good = edgecv_compare("models/good.onnx", **BASELINE)
    good.assert_no_worse_than(points=1.0)
    good.assert_worst_class(points=3)
    good.assert_agreement(at_least=0.99)
    good.assert_max_flips(0.01)
    good.assert_max_flips(at_most=4)
    good.assert_size(at_most_bytes=9_000)
    good.assert_gzip_size(at_most_bytes=9_000)
    good.assert_limits(
        max_drop=1, drop_on="bound", min_agreement="98%", max_flips="1%", max_size="9KB",
        max_probability_difference=0.9,
    )
    assert good.comparison.agreement > 0.99
    assert good.comparison.latency is None

def test_drop(bad):
    bad.assert_no_worse_than(points=1.0)

def test_worst_class(edgecv_compare):
    edgecv_compare("models/without_8.onnx", **BASELINE).assert_worst_class(points=10)

def test_agreement(bad):
    bad.assert_agreement(at_least=0.95)

def test_flips(bad):
    bad.assert_max_flips(4)

def test_size(bad):
    bad.assert_size(at_most_bytes=8_000)

def test_limits(bad):
    bad.assert_limits(max_size="9KB", max_gzip=800)

def test_limit_not_timed(bad):
    bad.assert_limits(max_latency="1us")

def test_limit_without_unit(bad):
    bad.assert_limits(max_size="35")

def test_unknown_limit(bad):
    bad.assert_limits(max_sizes="35KB")

def test_doubt(edgecv_compare):
    edgecv_compare("models/doubtful.onnx", **BASELINE).assert_no_worse_than(points=1.0)

def test_timed(edgecv_compare):
    timed = edgecv_compare("models/good.onnx", **BASELINE, timed=True)
    timed.assert_latency(at_most_us=1e6)
    timed.assert_latency(at_most_us=1e-3)

def test_not_timed(bad):
    bad.assert_latency(at_most_us=1.0)

def test_limit_of_percent(bad):
    bad.assert_agreement(at_least=95)

def test_no_artifact(edgecv_compare):
    edgecv_compare("models/missing.onnx", **BASELINE)

def test_folder(edgecv_compare):
    edgecv_compare("models", **BASELINE)

def test_no_path(edgecv_compare):
    edgecv_compare(None, **BASELINE)

def test_no_baseline(edgecv_compare):
    edgecv_compare("models/good.onnx", baseline="/nowhere/baseline.onnx", data="digits")

def test_no_data(edgecv_compare):
    edgecv_compare("models/good.onnx", baseline="models/baseline.onnx", data="digit")

def test_bad_data(edgecv_compare):
    edgecv_compare("models/good.onnx", baseline="models/baseline.onnx", data="models")

def test_other_size(edgecv_compare):
    edgecv_compare("models/larger.onnx", **BASELINE)

def test_damaged(edgecv_compare):
    edgecv_compare("models/damaged.onnx", **BASELINE)

def test_ignored_threads(edgecv_compare):
    edgecv_compare("models/good.onnx", **BASELINE, threads=2)

def test_errors_can_be_caught(edgecv_compare):
    from edgecv import InputError
    with pytest.raises(InputError, match="there is no"):
        edgecv_compare("models/missing.onnx", **BASELINE)
"""
ONE_LINE = 12
"""Lines of a failure that is one line of edgecv, the test's own source among them."""


@pytest.fixture(scope="module")
def seen(module_team: Team) -> Seen:
    """Run the team's tests once, from their folder: paths begin at rootdir all the same."""
    module_team.write("tests/test_model.py", TESTS)
    return module_team.pytest("test_model.py", cwd=module_team.folder / "tests")


def test_what_holds_passes(seen: Seen) -> None:
    passed = [name for name, message in seen.messages.items() if not message]
    assert passed == ["test_all_holds", "test_errors_can_be_caught"]
    assert seen.code == 1


def test_a_drop_explains_itself(seen: Seen) -> None:
    message = seen.messages["test_drop"]
    assert "AssertionError: models/bad.onnx: points lost at the worse end of the 95%" in message
    for words in (
        "compared       models/bad.onnx with models/baseline.onnx on digits, 450 test images",
        "accuracy       93.11% -> ",
        "95% interval -",
        "became right   ",
        "became wrong   ",
        " and ",
        "images get another answer",
        "worst classes  5 -",
        "corrected p = ",
        "edgecv doctor models/bad.onnx --baseline models/baseline.onnx --data digits",
    ):
        assert words in message
    assert "edgecv/acceptance" not in message, "the way through edgecv is nothing to show"


def test_doubt_does_not_pass_and_says_how_many_images_would_tell(seen: Seen) -> None:
    message = seen.messages["test_doubt"]
    assert "AssertionError: inconclusive: models/doubtful.onnx: points lost" in message
    assert "cannot tell with 450 images, needs about " in message
    assert "compare on more test images, or allow what so many can tell" in message


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ("test_worst_class", "points lost by the worst class "),
        ("test_worst_class", "limit 10 (8, "),
        ("test_agreement", "fraction of images with the baseline's answer 0.8"),
        ("test_flips", "images with another answer "),
        ("test_size", "models/bad.onnx: bytes 8,"),
        ("test_size", "next  edgecv inspect models/bad.onnx says what fills it"),
        ("test_limits", "models/bad.onnx: bytes after gzip -9 "),
        ("test_timed", "models/good.onnx: microseconds an image "),
    ],
)
def test_each_limit_says_what_was_seen(seen: Seen, test: str, words: str) -> None:
    assert "AssertionError: " in seen.messages[test]
    assert words in seen.messages[test]


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (
            "test_not_timed",
            "InputError: assert_latency: nothing was timed; edgecv_compare(..., timed=True)",
        ),
        ("test_limit_not_timed", "InputError: assert_limits: nothing was timed; edgecv_compare("),
        ("test_limit_without_unit", 'InputError: max_size: "35"; accepted: 35KB or 1.2MB'),
        ("test_unknown_limit", 'assert_limits: unknown key "max_sizes"'),
        ("test_limit_of_percent", 'InputError: assert_agreement: "min_agreement" is 95'),
        ("test_no_artifact", "InputError: artifact: there is no models/missing.onnx in /"),
        ("test_no_artifact", "where relative paths begin (pytest's rootdir)"),
        ("test_folder", "InputError: artifact: models is a folder; accepted: one file in"),
        ("test_no_path", "InputError: artifact: is None; accepted: a path"),
        ("test_no_baseline", "InputError: baseline: there is no /nowhere/baseline.onnx"),
        ("test_no_data", 'did you mean "digits"?'),
        ("test_bad_data", "neither train/ nor test/ is in it"),
        ("test_other_size", "takes images of 10x10x3, the others of 8x8x3"),
        ("test_damaged", "RuntimeFailure: validate: no file could be opened: "),
        ("test_ignored_threads", "InputError: threads: are of a timed comparison"),
    ],
)
def test_wrong_input_is_one_line(seen: Seen, test: str, words: str) -> None:
    assert words in seen.messages[test]
    assert len(seen.messages[test].splitlines()) <= ONE_LINE
