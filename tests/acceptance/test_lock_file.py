"""The file of an accepted run: the same after reading, and refused in a sentence where damaged."""

import contextlib
import tomllib
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from accepted_runs import commit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecv.acceptance.answer_bits import PackedScores, packed, unpacked
from edgecv.acceptance.lock import AcceptedHead, Lock, head_key
from edgecv.acceptance.lock_file import HEADER, lock_text, read_lock, write_lock
from edgecv.acceptance.make_lock import commit_of
from edgecv.core.errors import InputError
from edgecv.core.options import parse_options
from edgecv.core.tables import MOST_TOML_BYTES

pytestmark = pytest.mark.quick

RIGHT = np.array([True, True, False, True, True, True, True, True, True, True])
ARTIFACT = {
    "sha256": "a" * 64,
    "bytes": 1000,
    "gzip_bytes": 900,
    "value": 0.9,
    "agreement": 0.8,
    "flips": 2,
    "answers_sha256": "b" * 64,
    "right": packed(RIGHT),
}
TABLE = {
    "schema_version": 1,
    "name": "small",
    "accepted": date(2026, 11, 20),
    "data": {"name": "digits", "images": 10, "test_sha256": "c" * 64},
    "baseline": {"sha256": "d" * 64, "metric": "accuracy", "value": 0.9},
    "artifacts": {"int8.tflite": ARTIFACT, "float32.tflite": ARTIFACT},
    "versions": {"numpy": "2.4.6", "edgecv": "0.1.0"},
    "speed": {
        "machine": "0123456789ab",
        "threads": 1,
        "artifacts": {"int8.tflite": {"median_us": 21.5, "speedup": 2.29}},
    },
}
LOCK = parse_options(Lock, TABLE, "table")
TEXT = lock_text(LOCK)


def test_a_head_of_many_outputs_has_a_key_that_can_be_read(tmp_path: Path) -> None:
    """A detector of nine maps with long names was accepted into a lock that was refused."""
    path, name = (
        tmp_path / "edgecv.lock",
        "+".join(f"StatefulPartitionedCall_{n}" for n in range(9)),
    )
    head = parse_options(AcceptedHead, {"metric": "mAP", "artifacts": {"a.tflite": ARTIFACT}}, "")
    write_lock(LOCK.model_copy(update={"heads": {head_key(name): head}}), path)
    assert read_lock(path).of_head(name).artifacts == head.artifacts
    other = head_key(f"{name}+another")
    assert len(name) > len(head_key(name)) == len(other)
    assert other != head_key(name)


def test_a_lock_is_the_same_after_reading_and_sorted(tmp_path: Path) -> None:
    path = tmp_path / "edgecv.lock"
    write_lock(LOCK, path)
    assert read_lock(path) == LOCK
    assert [each.name for each in tmp_path.iterdir()] == ["edgecv.lock"]
    write_lock(read_lock(path), path)
    assert path.read_text() == TEXT
    assert list(tomllib.loads(TEXT)["artifacts"]) == ["float32.tflite", "int8.tflite"]
    assert list(tomllib.loads(TEXT)["versions"]) == ["edgecv", "numpy"]


@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_bits_are_the_same_after_reading(right: list[bool]) -> None:
    assert unpacked(packed(np.array(right)), len(right)).tolist() == right


SCORES = np.linspace(-3.5, 0.25, 10)


def with_scores(metric: str = "MAE", value: float = 12.5) -> str:
    """Return the text of the lock of a task whose scores are not 0 or 1."""
    artifact = {key: each for key, each in ARTIFACT.items() if key != "right"}
    artifact |= {"value": value, "scores": PackedScores.of(SCORES)}
    table = {
        **TABLE,
        "baseline": {"sha256": "d" * 64, "metric": metric, "value": value},
        "artifacts": {"int8.tflite": artifact},
    }
    return lock_text(parse_options(Lock, table, "table")).removeprefix(HEADER)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=70))
def test_scores_are_nearly_the_same_after_reading(scores: list[float]) -> None:
    given_scores = np.array(scores)
    packed_scores = PackedScores.of(given_scores)
    found = packed_scores.unpacked(len(scores))
    np.testing.assert_allclose(found, given_scores, atol=packed_scores.step * 0.51 + 1e-9)
    assert (packed_scores.rounded(given_scores) == found).all(), "no image seems to have changed"


def test_a_score_beyond_those_of_the_lock_is_no_better_and_no_worse_by_rounding() -> None:
    found = PackedScores.of(SCORES).rounded(np.array([-100.0, 7.0]))
    np.testing.assert_allclose(found, [-100, 7], atol=1e-4)


def test_a_lock_with_scores_is_the_same_after_reading(tmp_path: Path) -> None:
    path = tmp_path / "edgecv.lock"
    path.write_text(with_scores())
    lock = read_lock(path)
    write_lock(lock, path)
    assert read_lock(path) == lock
    found = lock.artifacts["int8.tflite"].scores
    assert found is not None
    np.testing.assert_allclose(found.unpacked(10), SCORES, atol=1e-4)


def test_scores_of_too_many_images_for_a_lock_are_wrong_input() -> None:
    """They were an internal error, after everything had been measured."""
    reason = r"are those of 400,000 images; accepted: up to 375,000 in a lock; measure fewer"
    with pytest.raises(InputError, match=reason):
        PackedScores.of(np.linspace(-1, 0, 400_000))
    PackedScores.of(np.linspace(-1, 0, 375_000))


CODES = PackedScores.of(SCORES).codes


def refusal(text: str, before: str, after: str, folder: Path) -> str:
    """Return the error for a lock in which a part is replaced."""
    assert before in text
    path = folder / "edgecv.lock"
    path.write_text(text.replace(before, after))
    with pytest.raises(InputError) as caught:
        read_lock(path)
    return str(caught.value)


DAMAGED_SCORES = [
    (f'codes = "{CODES}"', 'codes = "?!?"', "codes of two bytes, as base64"),
    (f'codes = "{CODES}"', f'codes = "{CODES[:-8]}"', "two bytes for each of 10 test images"),
    (f'codes = "{CODES}"', f'codes = "{"A" * 1_000_004}"', "larger than 1 MB"),
    (f'codes = "{CODES}"', "codes = 7", "codes"),
    (f'codes = "{CODES}"\n', "", "codes"),
    ("images = 10", "images = 9", "two bytes for each of 9 test images"),
    ("least = -3.5", "least = nan", "least"),
    ("least = -3.5", "least = 1e300", "least"),
    ("step = ", "step = -", "step"),
    ("step = ", "surprise = 1\nstep = ", "surprise"),
    ("value = 12.5\nagreement", "value = inf\nagreement", "value"),
    ("value = 12.5\nagreement", "agreement", "stand together"),
    ("flips = 2", f'flips = 2\nright = "{packed(RIGHT)}"', "stand together"),
]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    DAMAGED_SCORES,
    ids=[f"{b[:20]}-{a[:20]}" for b, a, _ in DAMAGED_SCORES],
)
def test_damaged_scores_are_refused(before: str, after: str, message: str, tmp_path: Path) -> None:
    text = with_scores()
    found = refusal(text, before, after, tmp_path)
    assert message in found
    assert len(found) < 1000


def test_5000_images_are_836_letters() -> None:
    assert len(packed(np.ones(5000, bool))) == 836


DAMAGED = [
    ('name = "small"', 'name = "small', "not TOML"),
    ("schema_version = 1", "schema_version = 2", '"schema_version" is 2'),
    ("schema_version = 1", "", "is no such lock; accepted: a file that edgecv gate RUN"),
    ("[limits]", "[limits]\nmax_dorp_points = 1", "max_drop_points"),
    ("[limits]", "[limits]\nmax_drop_points = nan", "[limits]"),
    ("[limits]", '[limits]\ndrop_on = "bound"', "give max_drop_points too"),
    ("[limits]\n", "limits = 3\n", "write [limits]"),
    ("[gates]", "[gates]\nmin_agreement = 98", "[gates]"),
    ("images = 10", "images = 11", "not the fraction of the bits in right that are set"),
    ("images = 10", "images = 1000", "one bit for each of 1,000 test images"),
    ("images = 10", "images = 0", "images"),
    ("images = 10", "images = 1e9", "images"),
    (packed(RIGHT), "//8=", "one bit for each of 10"),
    (packed(RIGHT), "?!?", "as base64"),
    (packed(RIGHT), packed(~RIGHT), "not the fraction of the bits in right that are set"),
    (f'right = "{packed(RIGHT)}"\n', "", "stand together"),
    ("a" * 64, "A" * 64, "sha256"),
    ('"int8.tflite"', '"../int8.tflite"', "artifacts"),
    ('"int8.tflite"', '"int8\\u001b[31m.tflite"', "artifacts"),
    ('name = "small"', 'name = "sm\\u0000all"', "name"),
    ('name = "small"', f'name = "{"x" * 300}"', "name"),
    ('name = "small"', "name = 7", "name"),
    ("flips = 2", "flips = -2", "flips"),
    ("flips = 2", "flips = 11", "more flips than test images"),
    ("agreement = 0.8", "agreement = inf", "agreement"),
    ("bytes = 1000", f"bytes = {'9' * 5000}", "is damaged"),
    ("accepted = 2026-11-20", 'accepted = "yesterday"', "accepted"),
    ("median_us = 21.5", "median_us = 0", "median_us"),
    ("[limits]", f"x = {'[' * 5000}\n[limits]", "is damaged"),
    ("[limits]", f"{'a.' * 100_000}a = 1\n[limits]", "too many parts"),
    ("[limits]", "[surprise]\n[limits]", "surprise"),
]


@pytest.mark.parametrize(
    ("before", "after", "message"), DAMAGED, ids=[f"{b[:20]}-{a[:20]}" for b, a, _ in DAMAGED]
)
def test_a_damaged_lock_is_refused(before: str, after: str, message: str, tmp_path: Path) -> None:
    text = TEXT.removeprefix(HEADER)
    found = refusal(text, before, after, tmp_path)
    assert message in found
    assert "edgecv.lock" in found
    assert len(found) < 1000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no such lock"),
        (b"\xff\xfe\x00", "is damaged"),
        (b"#" * (MOST_TOML_BYTES + 1), "larger than 1 MB"),
        (TEXT.encode()[:-400], "is missing"),
    ],
    ids=["empty", "no text", "huge", "cut short"],
)
def test_what_is_no_lock_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "edgecv.lock"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_lock(path)


def test_a_missing_lock_says_update_and_a_folder_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="edgecv gate RUN --update"):
        read_lock(tmp_path / "edgecv.lock")
    with pytest.raises(InputError, match="is a folder"):
        read_lock(tmp_path)


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, len(TEXT.encode()) - 1), st.integers(0, 255), st.integers(0, 60))
def test_any_damage_is_an_input_error_or_still_a_lock(
    tmp_path: Path, place: int, byte: int, lost: int
) -> None:
    content = bytearray(TEXT.encode())
    content[place : place + lost] = bytes([byte])
    path = tmp_path / "edgecv.lock"
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        assert isinstance(read_lock(path), Lock)


def test_the_commit_is_what_is_checked_out(tmp_path: Path) -> None:
    assert commit_of(tmp_path) is None
    commit(tmp_path)
    found = commit_of(tmp_path)
    assert found is not None
    assert len(found) == 40
