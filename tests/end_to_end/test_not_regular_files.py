"""A FIFO, a device, a socket or a folder where a file is expected: exit 2, one sentence, at once.

Whoever opens a FIFO waits for a writer, and a device may never end. Each row is a command line and
the place of its answer; {} is in turn a FIFO and a link to /dev/zero, each named as what it is.
"""

import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from edgecv.core.errors import InputError
from edgecv.core.files import check_regular, open_regular, read_regular

SECONDS = 10
RECIPE = """
name = "plan"
[data]
source = "SOURCE"
path = "PATH"
[[export]]
format = "tflite"
precision = "int8"
"""
COMMANDS = """
compress {}.keras --data digits | MODEL
compress {}.h5 --data digits | MODEL
compress {}.onnx --data digits --format onnx | MODEL
compress {}.model --data digits | MODEL
compress good.keras --data digits --labels {}.txt | --labels
compress --data {}.npz | --data
compress --data {}.zip | --data
compress --data {}.tar.gz | --data
compress --data {} | --data
compress --data photos-{} | --data | 1.png is
compress --recipe {}.toml | {}.toml
compress --recipe npz-{}.toml | --data
compress --recipe cifar10-{}.toml | --data
compress --recipe images-{}.toml | --data
compress --data digits --log csv:{}.csv | --log csv
train --data {}.npz | --data
train --recipe {}.toml | {}.toml
validate {}.tflite --data digits | PATH
validate {}.onnx --data digits | PATH
validate {}.keras --data digits | PATH
validate good.tflite --data {}.npz | --data
validate good.tflite --data digits --baseline {}.keras | --baseline
validate good.tflite --data digits --baseline {}.tflite | --baseline
validate good.tflite --data digits --labels {}.txt | --labels
validate run-{} | run-{}/manifest.json
bench {}.tflite | FILE
bench good.tflite {}.onnx | FILE
doctor {}.tflite | {}.tflite
doctor {}.onnx | {}.onnx
doctor good.tflite --data digits --baseline {}.keras | --baseline
doctor good.tflite --data digits --beside {}.tflite | --beside
gate sealed --against {}.lock | {}.lock
gate sealed --update --against {}.lock | {}.lock
gate sealed --against good.lock --junit {}.xml | --junit
gate sealed --against good.lock --markdown {}.md | --markdown
inspect {}.keras | {}.keras
inspect {}.tflite | {}.tflite
inspect {}.onnx | {}.onnx
pack {}.tflite | {}.tflite
predict {}.tflite 1.png | {}.tflite
deploy {}.tflite --to bundle --data digits | {}.tflite
deploy run-{} --to bundle | run-{}/manifest.json
deploy good.tflite --to bundle --data digits --profile {}.toml | {}.toml
deploy good.tflite --to bundle --data {}.npz | --data
deploy good.tflite --to bundle --data digits --baseline {}.keras | --baseline
verify run-{} | run-{}/manifest.json
verify signed --key {}.pem | --key
sign sealed --key {}.pem | --key
sign run-{} --key good.pem | run-{}/manifest.json
table {}.toml | {}.toml
report run-{} | run-{}/manifest.json
card run-{} | run-{}/manifest.json
compare run-{} run-{} | run-{}/manifest.json
log run-{} --to csv | run-{}/manifest.json
search --recipe {}.toml | {}.toml
search {}.keras --data digits | MODEL
"""
ROWS = [line.split(" | ") for line in COMMANDS.strip().splitlines()]
ENDINGS = sorted({word.split("{}")[1] for row in ROWS for word in row[0].split() if "{}" in word})
KINDS = {"fifo": "a FIFO", "zero": "a device"}


def put(kind: str, path: Path) -> None:
    if kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from edgecv.system.storage import Store

    folder = tmp_path_factory.mktemp("here")
    store = Store(folder)
    for name in ("sealed", "signed"):
        with store.writing(store.run_folder(name), replace=False) as draft:
            (draft / "notes.txt").write_text("a sealed folder")
    shutil.rmtree(folder / ".store")
    shutil.rmtree(folder / ".partial")
    (folder / "signed.sig").write_text("{}")
    for name in ("good.tflite", "good.keras", "good.lock", "good.pem"):
        (folder / name).touch()
    for kind in KINDS:
        for ending in ENDINGS:
            put(kind, folder / f"{kind}{ending}")
        (folder / f"photos-{kind}/test/cat").mkdir(parents=True)
        put(kind, folder / f"photos-{kind}/test/cat/1.png")
        (folder / f"run-{kind}").mkdir()
        put(kind, folder / f"run-{kind}/manifest.json")
        for source, ending in (("npz", ".npz"), ("cifar10", ".tar.gz"), ("images", ".zip")):
            recipe = RECIPE.replace("SOURCE", source).replace("PATH", f"{kind}{ending}")
            (folder / f"{source}-{kind}.toml").write_text(recipe)
    return folder


@contextlib.contextmanager
def in_seconds() -> Iterator[None]:
    """Fail what waits: the signal interrupts an open and a read."""

    def late(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"it waited for {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_it_is_refused_at_once_by_what_it_is(
    row: list[str],
    kind: str,
    here: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from edgecv.cli import run

    monkeypatch.chdir(here)
    monkeypatch.setenv("EDGECV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = sorted(here.rglob("*"))
    command, place, *found = (each.replace("{}", kind) for each in row)
    monkeypatch.setattr(sys, "argv", ["edgecv", *command.split()])
    with (
        open(1, "w", closefd=False) as first,
        open(2, "w", closefd=False) as second,
        in_seconds(),
    ):
        monkeypatch.setattr(sys, "stdout", first)
        monkeypatch.setattr(sys, "stderr", second)
        code = run()
    _, error = capfd.readouterr()
    assert code == 2, error
    sentences = [line for line in error.splitlines() if line.startswith("edgecv: ")]
    assert len(sentences) == 1, error
    assert place in sentences[0]
    assert "accepted: " in sentences[0]
    assert kind in sentences[0]
    # A link that leaves its data set is refused before what it leads to is looked at.
    for each in found or [KINDS[kind]]:
        assert each in sentences[0]
    assert sorted(here.rglob("*")) == before
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def not_files(tmp_path: Path) -> dict[str, Path]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "socket"))
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "to-fifo").symlink_to("fifo")
    return {
        "a folder": tmp_path,
        "a FIFO": tmp_path / "to-fifo",
        "a socket": tmp_path / "socket",
        "a device": Path("/dev/zero"),
    }


@pytest.mark.parametrize("kind", ["a folder", "a FIFO", "a socket", "a device"])
def test_the_one_way_to_open_a_file_says_what_it_is(not_files: dict[str, Path], kind: str) -> None:
    path = not_files[kind]
    for function in (check_regular, open_regular, read_regular):
        with in_seconds(), pytest.raises(InputError) as refused:
            function(path, where="--labels", accepted="a file of names")
        assert str(refused.value) == f"--labels: {path} is {kind}; accepted: a file of names"
    with pytest.raises(InputError, match=f"^{path}: is {kind}; accepted: a regular file"):
        open_regular(path)


def test_a_folder_may_be_accepted_where_a_model_is_one(not_files: dict[str, Path]) -> None:
    check_regular(not_files["a folder"], folders=True)
    with pytest.raises(InputError, match="is a FIFO"):
        check_regular(not_files["a FIFO"], folders=True)


def test_a_regular_file_is_read_to_its_bound_and_through_links(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"12345")
    link.symlink_to(path)
    assert read_regular(link, 5) == b"12345"
    path.write_bytes(bytes(1_000_001))
    with pytest.raises(InputError, match="link: is larger than 1 MB"):
        read_regular(link, 1_000_000)
    check_regular(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")


def test_what_becomes_a_fifo_between_look_and_open_does_not_wait(
    not_files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    regular = tmp_path / "regular"
    regular.touch()
    looked_at = os.stat(regular)
    monkeypatch.setattr(os, "stat", lambda path: looked_at)
    with in_seconds(), pytest.raises(InputError, match="is a FIFO"):
        open_regular(not_files["a FIFO"])


def test_a_fifo_within_a_saved_model_is_refused(tmp_path: Path) -> None:
    from edgecv.system.storage import tree_sha256

    (tmp_path / "saved_model.pb").touch()
    (tmp_path / "variables").mkdir()
    os.mkfifo(tmp_path / "variables/variables.index")
    with in_seconds(), pytest.raises(InputError, match=r"variables\.index: is a FIFO"):
        tree_sha256(tmp_path)


def test_every_command_that_opens_a_file_is_in_the_table() -> None:
    from edgecv.cli import COMMANDS

    no_files: set[Any] = {"list", "schema"}
    assert {row[0].split()[0] for row in ROWS} == set(COMMANDS) - no_files
