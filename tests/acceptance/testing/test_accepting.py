"""What a team accepts, what it is held against, and what becomes of the file beside the test."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgecv.acceptance import lock_file
from edgecv.acceptance.testing.accepted import judge_accepted
from edgecv.acceptance.testing.accepted_file import read_accepted
from edgecv.acceptance.testing.assertions import ComparedPair
from edgecv.acceptance.testing.fixture import EdgecvCompare
from edgecv.core.errors import InputError, StepError

Comparing = Callable[..., EdgecvCompare]
ENTRY = "models/model.onnx beside models/baseline.onnx on digits"


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "tests" / "test_model.edgecv.lock"


@pytest.fixture
def ship(comparing: Comparing, tmp_path: Path) -> Callable[[str], None]:
    """Return what makes one of the classifiers the model of the team."""

    def make(name: str) -> None:
        shutil.copyfile(tmp_path / "models" / name, tmp_path / "models" / "model.onnx")

    make("doubtful.onnx")
    return make


def compared(comparing: Comparing, **options: object) -> ComparedPair:
    compare = comparing(**options)
    return compare("models/model.onnx", baseline="models/baseline.onnx", data="digits")


def test_without_the_file_it_fails_and_says_what_to_do(
    comparing: Comparing, ship: Callable[[str], None], lock: Path
) -> None:
    with pytest.raises(AssertionError) as found:
        compared(comparing).assert_as_accepted()
    assert "nothing was accepted so far: tests/test_model.edgecv.lock is not there" in str(found)
    assert "pytest --edgecv-update, and commit tests/test_model.edgecv.lock" in str(found.value)
    assert not lock.exists()


def test_what_was_accepted_passes_until_it_is_worse(
    comparing: Comparing, ship: Callable[[str], None], lock: Path
) -> None:
    told: list[str] = []
    compared(comparing, update=True, told=told).assert_as_accepted()
    assert told == [f"tests/test_model.edgecv.lock: {ENTRY}: is new"]
    compared(comparing).assert_as_accepted()
    ship("bad.onnx")
    with pytest.raises(AssertionError) as found:
        compared(comparing).assert_as_accepted()
    message = str(found.value)
    assert message.startswith("model.onnx: ")
    for words in (
        " points lost against the accepted run, at the worse end of the 95% interval, limit 0.50",
        "also           model.onnx: 16.89 points of agreement with the baseline lost, limit 0.50",
        "Changed since 20",
        "model.onnx is another file: SHA-256 ",
        "accuracy       92.44% -> 81.33%",
        "agreement      98.67% -> 81.78%",
        "became right   11 images: ",
        "became wrong   61 images: ",
        "worst classes  5 -",
        "If the change is wanted: pytest --edgecv-update, and commit tests/test_model.edgecv.lock.",
    ):
        assert words in message
    compared(comparing, update=True, told=told).assert_as_accepted()
    assert "model.onnx is another file" in told[1]
    compared(comparing).assert_as_accepted()


def test_a_better_file_passes(
    comparing: Comparing, ship: Callable[[str], None], lock: Path
) -> None:
    ship("bad.onnx")
    compared(comparing, update=True).assert_as_accepted()
    ship("good.onnx")
    compared(comparing).assert_as_accepted()


def test_doubt_against_what_was_accepted_does_not_pass(
    comparing: Comparing, ship: Callable[[str], None], lock: Path
) -> None:
    compared(comparing, update=True).assert_as_accepted()
    lock.write_text(lock.read_text().replace("drop_points = 0.5\nmax_g", "drop_points = 9\nmax_g"))
    ship("good.onnx")
    compared(comparing, update=True).assert_as_accepted()
    ship("doubtful.onnx")
    with pytest.raises(AssertionError, match=r"inconclusive: .*cannot tell with 450") as found:
        compared(comparing).assert_as_accepted()
    assert "Measure on more test images. Where there are few" in str(found.value)


def test_the_same_again_leaves_the_file_and_limits_are_kept(
    comparing: Comparing, ship: Callable[[str], None], lock: Path
) -> None:
    told: list[str] = []
    compared(comparing, update=True).assert_as_accepted()
    edited = lock.read_text().replace("max_growth_percent = 2.0", "max_growth_percent = 7.0")
    lock.write_text(edited)
    compared(comparing, update=True, told=told).assert_as_accepted()
    assert (lock.read_text(), told) == (edited, [])
    ship("bad.onnx")
    compared(comparing, update=True).assert_as_accepted()
    assert read_accepted(lock)[ENTRY].limits.max_growth_percent == 7.0
    assert read_accepted(lock)[ENTRY].limits.max_slowdown_percent is None, "nothing was timed"


def test_gates_of_an_entry_are_held_and_a_run_that_fails_them_is_not_accepted(
    comparing: Comparing, ship: Callable[[str], None], lock: Path
) -> None:
    compared(comparing, update=True).assert_as_accepted()
    lock.write_text(lock.read_text().replace(".gates]\n", ".gates]\nmax_bytes = 1000\n"))
    before = lock.read_bytes()
    with pytest.raises(AssertionError, match=r"model.onnx: bytes 8,\d+, limit 1,000"):
        compared(comparing).assert_as_accepted()
    ship("good.onnx")
    with pytest.raises(AssertionError, match=r"refused +tests/test_model.edgecv.lock was not"):
        compared(comparing, update=True).assert_as_accepted()
    assert lock.read_bytes() == before


def test_entries_stand_beside_each_other(comparing: Comparing, lock: Path) -> None:
    compare = comparing(update=True)
    for name in ("good", "bad"):
        model = f"models/{name}.onnx"
        compare(model, baseline="models/baseline.onnx", data="digits").assert_as_accepted()
    compare("models/bad.onnx", baseline="models/good.onnx", data="digits").assert_as_accepted()
    assert list(read_accepted(lock)) == [
        "models/bad.onnx beside models/baseline.onnx on digits",
        "models/bad.onnx beside models/good.onnx on digits",
        "models/good.onnx beside models/baseline.onnx on digits",
    ]
    doubtful = comparing()("models/doubtful.onnx", baseline="models/baseline.onnx", data="digits")
    with pytest.raises(AssertionError, match=r'has no entry "models/doubtful\.onnx beside'):
        doubtful.assert_as_accepted()


def test_a_file_that_lies_elsewhere_each_time_needs_a_name(
    comparing: Comparing,
    ship: Callable[[str], None],
    lock: Path,
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
) -> None:
    elsewhere = tmp_path_factory.mktemp("built") / "int8 (new).onnx"
    shutil.copyfile(tmp_path / "models" / "good.onnx", elsewhere)
    files = {"baseline": "models/baseline.onnx", "data": "digits"}
    with pytest.raises(InputError, match=r"lies outside of .*; name it: assert_as_accepted\(name="):
        comparing(update=True)(elsewhere, **files).assert_as_accepted()
    comparing(update=True)(elsewhere, **files).assert_as_accepted(name="int8")
    comparing()(elsewhere, **files).assert_as_accepted(name="int8")
    renamed = elsewhere.rename(elsewhere.with_name("int8.onnx"))
    comparing()(renamed, **files).assert_as_accepted(name="int8")
    with pytest.raises(InputError, match="is 'a\\\\nb'"):
        comparing(update=True)(renamed, **files).assert_as_accepted(name="a\nb")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not = = toml", "is damaged, not TOML"),
        ("x = 1", '"x": is not a table; accepted: a file that pytest --edgecv-update wrote'),
        ("[x]\nschema_version = 2", '"schema_version" is 2'),
        ("[x]\nschema_version = 1", '"name" is missing'),
    ],
)
@pytest.mark.parametrize("update", [False, True])
def test_a_damaged_file_is_wrong_input_and_stays(
    comparing: Comparing,
    ship: Callable[[str], None],
    lock: Path,
    text: str,
    words: str,
    update: bool,
) -> None:
    lock.write_text(text)
    with pytest.raises(InputError, match=r"test_model\.edgecv\.lock") as found:
        compared(comparing, update=update).assert_as_accepted()
    assert words in str(found.value)
    assert lock.read_text() == text


def test_other_test_images_are_named(comparing: Comparing, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    data = tmp_path / "data.npz"

    def write(count: int) -> None:
        images = random.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
        np.savez(data, x_test=images, y_test=np.arange(count) % 10)

    files = {"baseline": "models/baseline.onnx", "data": "data.npz"}
    write(300)
    comparing(update=True)("models/good.onnx", **files).assert_as_accepted()
    comparing()("models/good.onnx", **files).assert_as_accepted()
    write(200)
    with pytest.raises(AssertionError, match=r"inconclusive: .*holds other test images") as found:
        comparing()("models/good.onnx", **files).assert_as_accepted()
    assert "data.npz, 300 images, SHA-256 " in str(found.value)
    assert "Give data with the accepted test images" in str(found.value)


def test_images_without_labels_are_judged_by_their_answers(
    comparing: Comparing, tmp_path: Path
) -> None:
    from PIL import Image

    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(1)
    for number in range(40):
        pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    files = {"baseline": "models/baseline.onnx", "data": "photos"}
    comparing(update=True)("models/good.onnx", **files).assert_as_accepted()
    found = comparing()("models/good.onnx", **files)
    found.assert_as_accepted()
    found.assert_agreement(at_least=0.5)
    with pytest.raises(InputError, match="images have no labels: max_drop_points cannot be"):
        found.assert_no_worse_than(points=1.0)
    with pytest.raises(AssertionError, match="images get another answer") as told:
        comparing()("models/bad.onnx", **files).assert_max_flips(0)
    assert "became" not in str(told.value)


def test_what_could_not_be_written_is_not_said_to_be_accepted(
    comparing: Comparing,
    ship: Callable[[str], None],
    lock: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(path: Path, content: bytes) -> None:
        raise StepError(str(path), "cannot be written: Permission denied")

    monkeypatch.setattr(lock_file, "write_bytes", refuse)
    told: list[str] = []
    with pytest.raises(StepError, match="Permission denied"):
        compared(comparing, update=True, told=told).assert_as_accepted()
    assert not told
    assert not lock.exists()


@pytest.mark.quick
@pytest.mark.parametrize("name", [None, "n" * 201, "two\nlines", ""])
def test_a_name_that_the_file_cannot_hold_is_refused_with_its_remedy(
    name: str | None, tmp_path: Path
) -> None:
    """Long paths failed with a regular expression."""
    setting = SimpleNamespace(root=tmp_path, holds=lambda path: True, is_update=True)
    paths = ("models/" + "m" * 90, "models/" + "b" * 90, "data/" + "d" * 90)
    pair: Any = SimpleNamespace(
        setting=setting, artifact=paths[0], baseline=paths[1], data=paths[2], names=paths
    )
    remedy = r"accepted: .* up to 200 characters; name it: assert_as_accepted\(name="
    with pytest.raises(InputError, match=remedy):
        judge_accepted(pair, name)
