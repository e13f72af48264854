"""Waits of a file on a host: as long as the file may take there, without any connection."""

import os
import queue
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from deployed import deployed_file

from edgecv.system.isolation.protocol import Frame, pack
from edgecv.targets.ssh.agent import serve
from edgecv.targets.ssh.host import FIRST_IMAGES, Host

FACTS = dict.fromkeys(("runtime", "python", "machine", "processor"), "x") | {"cores": "1"}
pytestmark = pytest.mark.quick


@dataclass
class Fake:
    """A connection that answers zeros, and keeps what it was asked."""

    facts: dict[str, str] = field(default_factory=lambda: FACTS)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, header: dict[str, Any], arrays: list[Any], **limits: Any) -> Frame:
        self.asked.append({**header, **limits, "images": len(arrays[0])})
        rows = np.zeros((len(arrays[0]), 3), np.uint8)
        return Frame({}, [np.ones((5, 1), np.int64) if header["do"] == "time" else rows])

    def close(self) -> None:
        """Nothing is open."""


def asked(seconds: float) -> dict[str, list[dict[str, Any]]]:
    """Return the requests for a file that takes so long here, by what is asked."""
    file = deployed_file("tflite", seconds=seconds)
    fake, images = Fake(), np.zeros((40, 8, 8, 1), np.uint8)
    content = b"TFL3"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgecv.targets.ssh.host.keeps_state", lambda *_: False)
        with Host(file, content, "ssh://host", 1, lambda: fake) as host:  # type: ignore[arg-type,return-value]
            host.predict(images)
            host.time(images[:1])
    return {
        name: [each for each in fake.asked if each["do"] == name]
        for name in ("open", "predict", "time")
    }


def test_a_slow_file_is_waited_for_image_by_image() -> None:
    """From 37 s an image the first part never came back, and from 46 s no time."""
    found = asked(3.0)
    (opened,), (timed,), parts = found["open"], found["time"], found["predict"]
    assert all(each["silence_s"] >= 90 for each in (opened, *parts))
    assert parts[0]["images"] == 1
    assert all(each["longest_s"] > 90 * each["images"] for each in parts)
    assert timed["silence_s"] >= 13 * 90
    assert timed["longest_s"] >= timed["silence_s"]


def test_a_fast_file_has_the_usual_waits() -> None:
    found = asked(0.001)
    assert found["predict"][0]["images"] == FIRST_IMAGES
    assert 120 <= found["predict"][0]["silence_s"] < 121
    assert 600 <= found["time"][0]["silence_s"] < 601


def test_the_wait_for_the_next_request_begins_after_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It ran from the request on: the work on a long one was ended amid it."""
    ended = threading.Event()
    monkeypatch.setattr(serve, "IDLE_S", 0.1)
    monkeypatch.setattr(serve, "_end", lambda folder: ended.set())
    reads, writes = os.pipe()
    waiting: queue.Queue[Frame] = queue.Queue()
    os.write(writes, pack({"do": "predict", "longest_s": 1}))
    thread = threading.Thread(target=_until_silent, args=(reads, waiting), daemon=True)
    began = time.monotonic()
    thread.start()
    assert waiting.get(timeout=5).header["do"] == "predict"
    assert not ended.wait(0.5)
    assert ended.wait(5)
    assert time.monotonic() - began >= 1
    thread.join(5)
    os.close(reads)
    os.close(writes)


def _until_silent(reads: int, waiting: "queue.Queue[Frame]") -> None:
    with pytest.raises(TimeoutError):
        serve._read_all(reads, waiting, "")
