"""A page for a browser: its files, its server, and the protocol with a page in a browser."""

import json
import queue
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from hashlib import sha256
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deployed import deployed_file
from devices import needs

from edgecv.analysis.options import DeployOptions, deploy
from edgecv.core.artifact import TensorFacts
from edgecv.core.data import Images
from edgecv.core.errors import InputError, StepError
from edgecv.core.plugins import DeployedFile
from edgecv.core.report import Report
from edgecv.targets.web import browser, device
from edgecv.targets.web.fixed_ends import described_with_fixed_ends, with_fixed_ends
from edgecv.targets.web.page.serve import PageHandler
from edgecv.targets.web.runtime_files import RUNTIMES
from edgecv.targets.web.target import PAGE, Web

GREY = np.random.default_rng(1).integers(0, 256, (3, 8, 8, 1)).astype(np.uint8)


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """Return a folder of npm with packages that hold no code."""
    folder = tmp_path / "node_modules"
    for runtime in RUNTIMES.values():
        for name in runtime.files:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text('import { createWasmLib } from "@litertjs/wasm-utils";')
        package = folder / runtime.package / "package.json"
        package.write_text(json.dumps({"version": f"{runtime.version}.5.3"}))
    return folder


def refusal(file: DeployedFile, **options: Any) -> str:
    with pytest.raises(InputError) as refused:
        Web(**options).check(file, None)
    return str(refused.value)


def test_a_missing_runtime_says_how_to_install_it(
    modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = deployed_file("onnx")
    Web().check(file, None)
    (tmp_path / "deeper").mkdir()
    monkeypatch.chdir(tmp_path / "deeper")
    Web().check(file, None)
    none = refusal(file, node_modules=str(tmp_path / "none"))
    assert "npm install onnxruntime-web@1, or --node-modules FOLDER" in none
    (modules / "onnxruntime-web/dist/ort.wasm.min.mjs").unlink()
    assert "ort.wasm.min.mjs: is not there" in refusal(file)
    for text, found in (('{"version": "2.0.0"}', "is of version 2.0.0"), ("[]", "cannot be read")):
        (modules / "onnxruntime-web/package.json").write_text(text)
        assert found in refusal(file)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"input": TensorFacts("image", (1, 8, 8, 1), "float16")}, '"image" is float16'),
        ({"input": TensorFacts("image", (4, 8, 8, 1), "uint8", 1.0, 0)}, "takes 4 images at once"),
        ({"image": (8, 8, 4)}, "takes 4 channels; accepted: 3 or 1, as the pictures of a page"),
    ],
)
def test_what_no_browser_runs_is_refused(modules: Path, change: Any, found: str) -> None:
    file = deployed_file("onnx")
    file = replace(file, facts=replace(file.facts, **change))
    assert found in refusal(file, node_modules=str(modules))


def test_without_a_browser_it_is_built_and_not_proven(
    output: Path,
    main_report: Report,
    modules: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(browser, "BROWSERS", ())
    run, folder, found = output / "main", tmp_path / "page", str(modules)
    options = DeployOptions(paths=(run,), to="web", out=folder, node_modules=found, images=4)
    report = deploy(options)
    assert report.outcome == "inconclusive"
    assert "has no Chromium (apt-get install chromium)" in str(report.gates[-1].reason)
    assert (folder / "runtime/index.js").read_text().endswith('from "./bundle.js";')
    card = json.loads((folder / "model.json").read_text())
    content = (folder / card["file"]).read_bytes()
    assert (card["bytes"], card["sha256"]) == (len(content), sha256(content).hexdigest())
    (given,) = card["outputs"]
    assert (given["type"], given["zero_point"], card["golden"]) == ("uint8", 0, 4)
    assert card["inputs"][0]["values"] == [list(range(256))] * 3


def test_ends_are_uint8_and_of_a_fixed_shape_and_the_numbers_are_the_same(
    answered: tuple[DeployedFile, Any], images: Images
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    file, _ = answered
    content = file.path.read_bytes()
    # Twice: what is uint8 and fixed already stays so.
    for _ in range(2):
        shapes = (1, 32, 32, 3), file.facts.run_shapes
        content = with_fixed_ends(content, shapes, "int8.tflite")
    there, here = Interpreter(model_content=content), Interpreter(str(file.path))
    found = []
    for model in (here, there):
        model.allocate_tensors()
        (taken,), (given,) = model.get_input_details(), model.get_output_details()
        assert taken["dtype"] == (np.int8 if model is here else np.uint8)
        shift = np.uint8(0x80 if model is here else 0)
        found.append([])
        for image in images:
            model.set_tensor(taken["index"], (image[None] ^ shift).view(taken["dtype"]))
            model.invoke()
            found[-1].append(model.get_tensor(given["index"]))
    assert given["dtype"] == np.uint8
    assert given["shape_signature"].tolist() == [1, 10]
    assert np.array_equal(np.array(found[0], np.int16) + 128, found[1])
    moved = described_with_fixed_ends(file).facts.output
    assert given["quantization"] == (moved.scale, moved.zero_point)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Return the address of a server of a folder with a few files."""
    for name in ("index.html", "page.js", "module.mjs", "a.wasm", "model.onnx"):
        (tmp_path / name).write_text("text")
    (tmp_path / "golden").mkdir()

    class Quiet(PageHandler):
        def log_message(self, *arguments: object) -> None:
            """Print nothing."""

    handler = partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, in_thread(server):
        yield f"http://127.0.0.1:{server.server_port}/"


@pytest.mark.quick
def test_a_browser_that_ends_by_itself_is_no_bug(tmp_path: Path) -> None:
    """A stub that asks for a snap ends at once, and its status was hidden by another error."""
    stub = tmp_path / "chromium-browser"
    stub.write_text("#!/bin/sh\nexit 3\n")
    stub.chmod(0o755)
    with (
        pytest.raises(StepError, match="has ended with status 3"),
        browser.running_browser(str(stub), "http://127.0.0.1:1/", None) as process,
    ):
        device.Browser(deployed_file("onnx"), "ONNX", device.PageChannel(), process, stub.name)


@contextmanager
def in_thread(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


def test_the_server_gives_types_and_headers_and_shows_no_folder(served: str) -> None:
    types = {
        "": "text/html; charset=utf-8",
        "page.js": "text/javascript; charset=utf-8",
        "module.mjs": "text/javascript; charset=utf-8",
        "a.wasm": "application/wasm",
        "model.onnx": "application/octet-stream",
    }
    for name, kind in types.items():
        with urllib.request.urlopen(served + name) as answer:
            assert answer.headers["Content-Type"] == kind
            assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
            assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    for name in ("golden/", "none", "../secret"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(served + name)


class Process:
    """A browser that has been started; ``status`` is None while it runs."""

    status: int | None = None

    def poll(self) -> int | None:
        return self.status

    @property
    def returncode(self) -> int | None:
        return self.status


@contextmanager
def page(tmp_path: Path) -> Iterator[tuple[device.PageChannel, Any]]:
    """Give an exchange, and a function that says something as a page does."""
    exchange = device.PageChannel()
    with device.DeviceServer(tmp_path, exchange) as server, in_thread(server):

        def say(name: str, content: bytes | None, token: str = exchange.token) -> int:
            url = f"http://127.0.0.1:{server.server_port}/device/{token}/{name}"
            with urllib.request.urlopen(urllib.request.Request(url, content)) as answer:
                return int(answer.status)

        yield exchange, say


def opened(exchange: device.PageChannel, process: Any = None) -> device.Browser:
    file = deployed_file("onnx")
    return device.Browser(file, "a runtime", exchange, process or Process(), "chromium")


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ([("answer", b"12")], "gives 2 bytes for 3 images"),
        ([("failure", b"no \x1b[31mmemory\nat all")], "the page fails: no ?[31mmemory at all"),
        ([("ready", b"again")], "says ready first"),
        ([("answer", bytes(10))], "sends more than 9 bytes"),
    ],
)
def test_nonsense_of_a_page_is_one_sentence(
    tmp_path: Path, said: list[tuple[str, bytes]], found: str
) -> None:
    with page(tmp_path) as (exchange, say):
        say("ready", b"Chromium 1\n")
        there = opened(exchange)
        assert there.facts.runtime == "a runtime, Chromium 1"
        exchange.expected = 9
        for name, content in said:
            with suppress(urllib.error.HTTPError):
                say(name, content)
        with pytest.raises(StepError) as failed:
            there.predict(GREY)
        assert found in str(failed.value)


def test_a_page_without_the_secret_is_not_heard(tmp_path: Path) -> None:
    with page(tmp_path) as (exchange, say):
        for name in ("ready", "work", "device.html"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                say(name, b"x" if name == "ready" else None, "other")
        with pytest.raises(queue.Empty):
            exchange.messages.get_nowait()


def test_a_browser_that_ends_or_is_silent_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Process()
    process.status = -9
    with pytest.raises(StepError, match="has ended with status -9"):
        opened(device.PageChannel(), process)
    monkeypatch.setattr(device, "LONGEST_S", 0.1)
    with pytest.raises(StepError, match=r"gives no answer within 0\.1 s"):
        opened(device.PageChannel())


def test_a_slow_file_is_waited_for_and_has_fewer_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "LONGEST_S", 0.1)
    exchange, few = device.PageChannel(), np.full((10, 1), 10**7)
    exchange.messages.put(("ready", b"x"))
    file = deployed_file("onnx", seconds=2.0)
    there = device.Browser(file, "a runtime", exchange, Process(), "chromium")  # type: ignore[arg-type]
    threading.Timer(0.5, exchange.messages.put, [("answer", few.tobytes())]).start()
    found = there.time(GREY[:1])
    assert found is not None
    np.testing.assert_array_equal(found[0], few)


TIMES = """
import { Model } from "./model.mjs";
const pause = () => new Promise((resolve) => setTimeout(resolve, 20));
for (const [run, budget] of [[async () => {}, 1000], [pause, 200]]) {
  const page = { encode: (pixels) => pixels, prepared: () => ({ run, end() {} }) };
  console.log((await Model.prototype.time.call(page, [], 10, 10, 0.01, budget)).length);
}
"""


@pytest.mark.quick
@needs("node")
def test_the_page_times_a_slow_file_with_fewer_runs(tmp_path: Path) -> None:
    shutil.copy(PAGE / "model.js", tmp_path / "model.mjs")
    (tmp_path / "times.mjs").write_text(TIMES)
    done = subprocess.run(
        ["node", "times.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["100", "10"], done.stderr


def test_times_are_bounded(tmp_path: Path) -> None:
    exchange = device.PageChannel()
    exchange.messages.put(("ready", b"x"))
    there = opened(exchange)
    for content in (b"", np.zeros(100, np.int64).tobytes(), np.full(100, 2**62).tobytes()):
        exchange.messages.put(("answer", content))
        with pytest.raises(StepError, match="gives"):
            there.time(GREY[:1])
        exchange.work.get_nowait()
