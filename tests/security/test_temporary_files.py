"""Temporary files: gone after a run, swept after a kill, and nothing of others is touched."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edgecv.models.tf import load_tensorflow
from edgecv.system import temporary
from edgecv.system.temporary import OWNER, PREFIX, UNOWNED_S, sweep

HOLD = (
    "import sys; from pathlib import Path; from edgecv.system.temporary import session_folder; "
    "(session_folder() / 'left.txt').write_text('x'); print(session_folder(), flush=True); "
    "sys.stdin.read()"
)


def holder(root: Path) -> "subprocess.Popen[str]":
    """Start a process with a session folder below ``root``."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(root)},
    )


def test_a_folder_goes_with_its_process_and_is_swept_after_a_kill(tmp_path: Path) -> None:
    ended, killed = holder(tmp_path), holder(tmp_path)
    assert ended.stdout is not None
    assert killed.stdout is not None
    folders = [Path(each.stdout.readline().strip()) for each in (ended, killed) if each.stdout]
    assert all((folder / "left.txt").is_file() for folder in folders)
    sweep(tmp_path)  # Both live: nothing of theirs is removed.
    assert all((folder / "left.txt").is_file() for folder in folders)
    ended.communicate("")
    assert not folders[0].exists()
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert (folders[1] / "left.txt").is_file()
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["before its lock", "after its lock"])
def test_a_folder_that_is_being_made_is_not_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Two programs that started at once: one removed the folder of the other."""
    flock = fcntl.flock

    def sweep_as_another_process(descriptor: int, operation: int) -> None:
        if operation != fcntl.LOCK_EX:  # The lock that a sweep itself asks for.
            return flock(descriptor, operation)
        if step == "after its lock":
            flock(descriptor, operation)
        sweep(tmp_path)
        return flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", sweep_as_another_process)
    session = temporary._new_session(tmp_path)
    assert (session.folder / OWNER).is_file()
    sweep(tmp_path)
    assert (session.folder / OWNER).is_file()
    os.close(session.owner)


def test_what_is_not_ours_is_not_swept(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / OWNER).write_text("")
    (tmp_path / f"{PREFIX}link").symlink_to(elsewhere)
    (tmp_path / f"{PREFIX}file").write_text("x")
    fresh = tmp_path / f"{PREFIX}fresh"
    fresh.mkdir()
    old = tmp_path / f"{PREFIX}old"
    old.mkdir()
    before = time.time() - 2 * UNOWNED_S
    os.utime(old, (before, before))
    (tmp_path / f"{PREFIX}fifo").mkdir()
    os.mkfifo(tmp_path / f"{PREFIX}fifo" / OWNER)
    held = tmp_path / f"{PREFIX}held"
    held.mkdir()
    with (held / OWNER).open("w") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        sweep(tmp_path)
    names = {each.name.removeprefix(PREFIX) for each in tmp_path.iterdir()}
    assert names >= {"elsewhere", "link", "file", "fresh", "held"}
    assert "old" not in names
    assert (elsewhere / OWNER).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_the_folder_of_another_user_is_not_swept(tmp_path: Path) -> None:
    folder = tmp_path / f"{PREFIX}other"
    folder.mkdir()
    (folder / OWNER).write_text("")
    os.chown(folder, 12345, 12345)
    sweep(tmp_path)
    assert (folder / OWNER).exists()


def test_a_run_leaves_nothing_behind(tmp_path: Path) -> None:
    """TensorFlow wrote ``__autograph_generated_file*`` beside everybody's files."""
    np.savez(
        tmp_path / "data.npz",
        x_train=np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8),
        y_train=np.arange(40) % 2,
        x_test=np.random.default_rng(1).integers(0, 256, (10, 8, 8, 1), dtype=np.uint8),
        y_test=np.arange(10) % 2,
    )
    folder = tmp_path / "tmp"
    folder.mkdir()
    _, keras = load_tensorflow()
    layers = keras.layers
    ends = [layers.Flatten(), layers.Dense(2), layers.Softmax()]
    model = keras.Sequential([layers.InputLayer((8, 8, 1)), layers.Rescaling(1 / 255), *ends])
    model.save(tmp_path / "m.keras")
    done = subprocess.run(
        [sys.executable, "-m", "edgecv", "compress", "m.keras", "--data", "data.npz",
         "--quantize", "none", "--format", "tflite"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "TMPDIR": str(folder)},
    )  # fmt: skip
    assert done.returncode in (0, 1, 4), done.stderr
    assert list(folder.iterdir()) == []


def test_onnx_runtime_writes_no_identifier_into_the_home(tmp_path: Path) -> None:
    """It did, and sent events over the network: ``ORT_DISABLE_TELEMETRY`` stops both."""
    places = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    code = "import edgecv, onnxruntime; onnxruntime.get_available_providers()"
    usual = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", code], env=usual | places, check=True)
    assert list(tmp_path.iterdir()) == []


def test_all_temporary_files_lie_in_the_folder_and_places_come_back(tmp_path: Path) -> None:
    import tempfile

    before = tempfile.gettempdir(), os.environ.get("TMPDIR")
    with temporary.all_temporary_files_in_session() as folder:
        with tempfile.NamedTemporaryFile() as made:
            assert Path(made.name).parent == folder
        assert os.environ["TMPDIR"] == str(folder)
    assert (tempfile.gettempdir(), os.environ.get("TMPDIR")) == before
