"""A page that runs the file in a browser: a folder that serves itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from edgecv.core.errors import InputError
from edgecv.core.plugins import DeployContext, DeployedFile, Device, Target
from edgecv.core.profile import Profile
from edgecv.formats.image_input import PIXELS, pixel_encoder
from edgecv.formats.onnx.external_data import in_one_file
from edgecv.formats.tflite.state import keeps_state
from edgecv.system.storage import write_bytes, write_json
from edgecv.targets.bundle.card import card
from edgecv.targets.bundle.metadata import labels_text
from edgecv.targets.bundle.target import write_golden
from edgecv.targets.web.browser import browser_path
from edgecv.targets.web.device import in_browser
from edgecv.targets.web.runtime_files import installed_runtime
from edgecv.targets.web.uint8_ends import file_with_uint8_ends, with_uint8_ends

SITE = Path(__file__).parent / "site"
FILES = ("index.html", "page.css", "page.js", "model.js", "images.js", "serve.py", "README.md")
TYPES = {
    "tflite": ("float32", "uint8", "int8", "int32"),
    "onnx": ("float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "bool"),
}
"""Types of inputs and outputs that arrive in a browser; int8 of a .tflite as uint8."""


class Web(Target):
    """A page that runs the file in a browser, and a server for it: Chromium proves it here."""

    name: ClassVar[str] = "web"
    formats: ClassVar[tuple[str, ...]] = ("tflite", "onnx")
    missing: ClassVar[str] = "this machine has no Chromium (apt-get install chromium)"

    node_modules: str = ""
    """The folder where npm has put the runtime; by default the nearest node_modules."""

    def check(self, file: DeployedFile, profile: Profile | None) -> None:
        """Raise InputError for a file that browsers' runtimes do not take, or without them."""
        super().check(file, profile)
        kind, facts, where = file.artifact.format, file.facts, str(file.path)
        for tensor in (facts.input, *facts.outputs):
            if tensor.type not in TYPES[kind]:
                found = f'its tensor "{tensor.name}" is {tensor.type}'
                raise InputError(where, found, accepted=", ".join(TYPES[kind]))
        if facts.batch > 1:
            raise InputError(where, f"takes {facts.batch} images at once", accepted="one image")
        if kind == "tflite" and keeps_state(file.path.read_bytes(), where):
            found = "keeps its state from one image to the next, which no page can reset"
            raise InputError(where, found, remedy="--to bundle, or --to ssh")
        installed_runtime(kind, self.node_modules)

    def build(self, file: DeployedFile, folder: Path) -> None:
        """Write page, server, runtime, file and golden images."""
        kind, content = file.artifact.format, file.path.read_bytes()
        runtime = installed_runtime(kind, self.node_modules)
        content = _for_browsers(content, file)
        moved = file_with_uint8_ends(file) if kind == "tflite" else file
        write_bytes(folder / f"model.{kind}", content)
        write_bytes(folder / "labels.txt", labels_text(file).encode())
        write_json(folder / "model.json", _card(moved, runtime.title))
        write_json(folder / "origin.json", file.origin)
        write_golden(moved, folder / "golden")
        for name in FILES:
            write_bytes(folder / name, (SITE / name).read_bytes())
        (folder / "runtime").mkdir()
        for name, each in runtime.files().items():
            write_bytes(folder / "runtime" / name, each)

    @contextmanager
    def open(
        self, file: DeployedFile, folder: Path, context: DeployContext
    ) -> Iterator[Device | None]:
        """Run the page in this machine's Chromium; None where there is none."""
        kind, browser = file.artifact.format, browser_path()
        if browser is None:
            yield None
            return
        moved = file_with_uint8_ends(file) if kind == "tflite" else file
        title = installed_runtime(kind, self.node_modules).title
        with in_browser(moved, folder, browser, title, context) as device:
            yield device


def _card(file: DeployedFile, runtime: str) -> dict[str, Any]:
    """Return ``model.json`` of a page: that of a bundle, and the value of each pixel value."""
    facts, channels = file.facts, file.facts.image[2]
    found = card(file)
    ramp = np.arange(PIXELS, dtype=np.uint8).repeat(channels).reshape(1, PIXELS, 1, channels)
    values = pixel_encoder(facts.input, "NHWC", file.preprocess, channels)(ramp)
    (takes,) = found["inputs"]
    takes["values"] = values.reshape(PIXELS, channels).T.tolist()
    return {
        **found,
        "golden": len(file.golden),
        "title": file.origin.get("run", file.path.stem),
        "runtime_title": runtime,
    }


def _for_browsers(content: bytes, file: DeployedFile) -> bytes:
    """Return a file that browsers' runtimes take."""
    if file.artifact.format == "onnx":
        return in_one_file(file.path, content)
    return with_uint8_ends(content, str(file.path))
