"""A page in a browser as a device: it asks for images over HTTP and sends back its answers."""

import queue
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path

import numpy as np

from edgecv.core.comparison import Blocks
from edgecv.core.data import Images, Outputs
from edgecv.core.errors import StepError
from edgecv.core.plugins import DeployContext, DeployedFile, DeviceFacts
from edgecv.core.text import one_line, printable
from edgecv.targets.answers import output_bytes, outputs_of_bytes, seconds_an_image
from edgecv.targets.web.browser import running_browser
from edgecv.targets.web.page.serve import ADDRESS, PageHandler

PAGE = Path(__file__).parent / "device_page"
FILES = ("device.html", "device.js")
AT_ONCE, BYTES_AT_ONCE = 64, 2**22
"""Most images of one request, and most bytes of them and their answers."""
LONGEST_S, POLL_S = 300.0, 0.5
"""The longest wait for an answer, longer for slow files; how often the browser is looked after."""
IDLE_S = 20.0
"""After so long, a request for work is answered that there is none yet."""
LONGEST_TEXT = 300
BLOCKS, RUNS = 10, 10
"""Timed blocks, and the runs of each; a slow file has fewer runs."""
TIMED_RUNS = 13
"""Runs of a slow file that is timed: three that find out how long one takes, and ten."""
TIMES = "a time is the mean of runs that take a millisecond together: clocks of browsers are coarse"


@dataclass
class PageChannel:
    """Work for the page, and what it says. ``expected``: the most bytes of the next answer."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    work: "queue.Queue[tuple[str, bytes]]" = field(default_factory=lambda: queue.Queue(1))
    messages: "queue.Queue[tuple[str, bytes]]" = field(default_factory=lambda: queue.Queue(8))
    expected: int = 0


class DeviceServer(ThreadingHTTPServer):
    """Serves the page to the browser, and under a secret path the page that runs the model."""

    daemon_threads = True

    def __init__(self, folder: Path, channel: PageChannel) -> None:
        self.folder, self.channel = folder, channel
        super().__init__((ADDRESS, 0), DeviceHandler)


class DeviceHandler(PageHandler):
    """Requests of the browser."""

    server: DeviceServer
    timeout = 60

    def __init__(self, request: object, address: object, server: DeviceServer) -> None:
        super().__init__(request, address, server, directory=str(server.folder))  # type: ignore[arg-type]

    def do_GET(self) -> None:  # noqa: N802
        """Answer with a file, or with work."""
        name = self._name()
        if name in FILES:
            self._answer(200, (PAGE / name).read_bytes(), self.guess_type(name))
        elif name == "work":
            try:
                kind, content = self.server.channel.work.get(timeout=IDLE_S)
            except queue.Empty:
                self._answer(204)
            else:
                self._answer(200, content, "application/octet-stream", kind)
        elif self.path.startswith("/device/"):
            self._answer(404)
        else:
            super().do_GET()

    def do_POST(self) -> None:  # noqa: N802
        """Take what the page says."""
        name, channel = self._name(), self.server.channel
        length = self.headers.get("Content-Length", "")
        most = channel.expected if name == "answer" else LONGEST_TEXT * 4
        if name not in ("ready", "answer", "failure"):
            self._answer(404)
        elif not (length.isdecimal() and len(length) < 12 and int(length) <= most):
            self._put("failure", f"it sends more than {most:,} bytes".encode())
            self._answer(413)
        else:
            self._put(name, self.rfile.read(int(length)))
            self._answer(204)

    def _put(self, name: str, content: bytes) -> None:
        try:
            self.server.channel.messages.put_nowait((name, content))
        except queue.Full:
            self.close_connection = True

    def _name(self) -> str:
        """Return what is behind the secret part of a path."""
        before = f"/device/{self.server.channel.token}/"
        return self.path.removeprefix(before) if self.path.startswith(before) else ""

    def _answer(self, status: int, content: bytes = b"", kind: str = "", work: str = "") -> None:
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        if work:
            self.send_header("X-Work", work)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Print nothing."""


class Browser:
    """A browser that runs the file in the page."""

    def __init__(
        self,
        file: DeployedFile,
        runtime: str,
        channel: PageChannel,
        process: "subprocess.Popen[bytes]",
        name: str,
    ) -> None:
        self._file, self._channel, self._process, self._name = file, channel, process, name
        title = self._receive("ready", LONGEST_S).decode("utf-8", "replace")
        self.facts = DeviceFacts(f"{runtime}, {_text(title)}", notes=(TIMES,))

    def predict(self, images: Images) -> Outputs:
        """Return the outputs for uint8 images (N, H, W, C): float32 (N, ...)."""
        size = sum(output_bytes(self._file))
        count = min(AT_ONCE, max(1, BYTES_AT_ONCE // (images[:1].nbytes + size)))
        parts = []
        for start in range(0, len(images), count):
            some = images[start : start + count]
            content = self._ask("predict", some, len(some) * size)
            if len(content) != len(some) * size:
                found = f"gives {len(content):,} bytes for {len(some)} images"
                raise StepError(self._name, found, accepted=f"{len(some) * size:,}")
            rows = np.frombuffer(content, np.uint8).reshape(len(some), size)
            parts.append(outputs_of_bytes(self._file, rows, self._name))
        return Outputs.joined(parts)

    def time(self, image: Images) -> tuple[Blocks, ...] | None:
        """Return timed runs of one image, uint8 (1, H, W, C), in nanoseconds."""
        content = self._ask("time", image, BLOCKS * RUNS * 8)
        if not content or len(content) % (BLOCKS * 8):
            raise StepError(self._name, "gives no times")
        blocks = np.frombuffer(content, "<i8").reshape(BLOCKS, -1)
        if blocks.min() <= 0 or blocks.max() > LONGEST_S * 1e9:
            raise StepError(self._name, "gives times that cannot be")
        return (blocks,)

    def _ask(self, kind: str, images: Images, most_bytes: int) -> bytes:
        self._channel.expected = most_bytes
        self._channel.work.put_nowait((kind, images.tobytes()))
        runs = len(images) if kind == "predict" else TIMED_RUNS
        return self._receive("answer", LONGEST_S + runs * seconds_an_image(self._file, 0))

    def _receive(self, wanted: str, seconds: float) -> bytes:
        """Return what the page says next, within some seconds. Raises StepError."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                name, content = self._channel.messages.get(timeout=POLL_S)
            except queue.Empty:
                if self._process.poll() is not None:
                    found = f"has ended with status {self._process.returncode}"
                    raise StepError(self._name, found) from None
                continue
            if name == wanted:
                return content
            text = _text(content.decode("utf-8", "replace"))
            found = f"the page fails: {text}" if name == "failure" else f"says {name} first"
            raise StepError(self._name, found)
        raise StepError(self._name, f"gives no answer within {seconds:g} s")


def _text(text: str) -> str:
    return printable(one_line(text))[:LONGEST_TEXT]


@contextmanager
def in_browser(
    file: DeployedFile, folder: Path, browser: str, runtime: str, context: DeployContext
) -> Iterator[Browser]:
    """Open the page of a folder in a browser; all of it ends with the context."""
    channel = PageChannel()
    with DeviceServer(folder, channel) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            url = f"http://{ADDRESS}:{server.server_port}/device/{channel.token}/{FILES[0]}"
            context.emit("connecting", f"opening the page in {browser}")
            with running_browser(browser, url, context.log) as process:
                yield Browser(file, runtime, channel, process, Path(browser).name)
        finally:
            server.shutdown()
            thread.join()
