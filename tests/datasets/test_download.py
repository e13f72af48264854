"""A download is whole or not at all, and goes on from where it broke off."""

import hashlib
import os
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.core.errors import InputError
from edgecv.core.locks import held, waits_heard
from edgecv.datasets import download as _download
from edgecv.datasets.download import Remote, fetch

pytestmark = pytest.mark.quick

CONTENT = np.random.default_rng(0).bytes(200_000)


class Server:
    """What a server does: ``breaks_after`` holds how much it sends of each answer in turn."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.breaks_after: list[int] = []
        self.knows_ranges = True
        self.status = 200
        self.stalls_s = 0.0
        self.starts_at: int | None = None
        self.asked: list[str | None] = []


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append(wanted)
            start = 0
            if wanted and state.knows_ranges:
                start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])  # type: ignore[index]
            if start and state.starts_at is not None:
                start = state.starts_at
            body = state.content[start:]
            self.send_response(206 if start else state.status)
            if start:
                whole = len(state.content)
                self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            time.sleep(state.stalls_s)
            self.wfile.write(body[: state.breaks_after.pop(0)] if state.breaks_after else body)

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        state.url = f"http://127.0.0.1:{http.server_port}/data"  # type: ignore[attr-defined]
        yield state
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_download, "CHUNK_BYTES", 1000)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "new" / "folder" / "data.bin"


def get(server: Any, target: Path, **changes: Any) -> list[tuple[int, int]]:
    calls: list[tuple[int, int]] = []
    described = {
        "url": server.url,
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "bytes": len(CONTENT),
    }
    fetch(
        Remote(**{**described, **changes}),
        target,
        lambda done, total: calls.append((done, total)),
        "--data cifar10",
        "another way",
    )
    return calls


def partial(target: Path) -> Path:
    return target.with_name(target.name + ".partial")


def test_another_download_is_waited_for_and_that_is_said(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a download of minutes, a second run stood still without a word."""
    monkeypatch.setattr("edgecv.core.locks.LONG_WAIT_S", 0.05)
    target.parent.mkdir(parents=True)
    is_held, may_end, said = threading.Event(), threading.Event(), list[str]()

    def say(line: str) -> None:
        said.append(line)
        may_end.set()

    def first() -> None:
        with held(target.with_name("data.bin.lock"), "downloads"):
            is_held.set()
            assert may_end.wait(20)

    other = threading.Thread(target=first)
    other.start()
    assert is_held.wait(20)
    with waits_heard(say):
        get(server, target)
    other.join()
    assert said == [f"waiting for process {os.getpid()}, which downloads data.bin"]
    assert not list(target.parent.glob("*.holder"))


def test_it_arrives_whole_with_progress(server: Server, target: Path) -> None:
    calls = get(server, target)
    assert target.read_bytes() == CONTENT
    assert not partial(target).exists()
    assert calls[-1] == (200_000, 200_000)
    assert calls == sorted(calls)


def test_what_is_there_is_not_asked_for(server: Server, target: Path) -> None:
    get(server, target)
    get(server, target)
    assert len(server.asked) == 1


def test_a_broken_transfer_goes_on_at_once(server: Server, target: Path) -> None:
    server.breaks_after = [70_000, 50_000]
    get(server, target)
    assert target.read_bytes() == CONTENT
    starts = [int(asked.split("=")[1][:-1]) for asked in server.asked if asked]
    assert len(starts) == 2
    assert 65_000 < starts[0] <= 70_000
    assert 115_000 < starts[1] <= 120_000


def test_a_broken_transfer_goes_on_in_the_next_run(server: Server, target: Path) -> None:
    server.breaks_after = [70_000, 0]
    with pytest.raises(InputError) as caught:
        get(server, target)
    assert f"{server.url} cannot be fetched" in str(caught.value)  # type: ignore[attr-defined]
    assert not target.exists()
    kept = partial(target).stat().st_size
    assert kept > 65_000
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.asked[-1] == f"bytes={kept}-"


def test_a_server_without_ranges_sends_all_again(server: Server, target: Path) -> None:
    server.knows_ranges = False
    target.parent.mkdir(parents=True)
    partial(target).write_bytes(CONTENT[:5000])
    get(server, target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"x" * 5000, b"x" * 200_000, b"x" * 300_000])
def test_a_partial_file_of_something_else_is_replaced(
    server: Server, target: Path, left: bytes
) -> None:
    target.parent.mkdir(parents=True)
    partial(target).write_bytes(left)
    get(server, target)
    assert target.read_bytes() == CONTENT


def test_a_partial_file_that_is_whole_is_taken(server: Server, target: Path) -> None:
    target.parent.mkdir(parents=True)
    partial(target).write_bytes(CONTENT)
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert not server.asked


def test_a_wrong_checksum_is_refused_and_thrown_away(server: Server, target: Path) -> None:
    with pytest.raises(InputError) as caught:
        get(server, target, sha256="0" * 64)
    for part in ("is not what was published", "000000000000...", "another way"):
        assert part in str(caught.value)
    assert not target.exists()
    assert not partial(target).exists()


def test_a_server_that_does_not_stop_is_stopped(server: Server, target: Path) -> None:
    server.content = CONTENT * 3
    get(server, target)
    assert target.read_bytes() == CONTENT


def test_a_server_that_stalls_is_left(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_download, "TIMEOUT_SECONDS", (1.0, 0.2))
    server.stalls_s = 1.0
    with pytest.raises(InputError, match=r"no answer in time|no connection"):
        get(server, target)
    assert not target.exists()


def test_a_server_that_goes_on_elsewhere_than_it_was_asked_to_gets_nothing_kept(
    server: Server, target: Path
) -> None:
    server.starts_at = 5
    target.parent.mkdir(parents=True)
    partial(target).write_bytes(CONTENT[:5000])
    with pytest.raises(InputError, match=r"is not what was published|cannot be fetched"):
        get(server, target)
    assert not target.exists()
    server.starts_at = None
    get(server, target)
    assert target.read_bytes() == CONTENT


def test_an_error_of_the_server_is_said(server: Server, target: Path) -> None:
    server.status = 404
    with pytest.raises(InputError, match=r"cannot be fetched \(HTTP 404\); accepted: another way"):
        get(server, target)


def test_a_folder_that_cannot_be_written_is_said(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError) as caught:
        get(server, tmp_path / "file" / "data.bin")
    assert "set EDGECV_CACHE_DIR to a folder that can be written" in str(caught.value)
