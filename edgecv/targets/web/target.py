"""A page that runs the file in a browser: a folder that serves itself."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from edgecv.core.errors import InputError
from edgecv.core.plugins import DeployContext, DeployedFile, Device, Target
from edgecv.core.profile import Profile
from edgecv.core.text import counted
from edgecv.formats.onnx.external_data import in_one_file
from edgecv.formats.tflite.state import keeps_state
from edgecv.system.storage import write_bytes, write_json
from edgecv.targets.answers import pixel_values
from edgecv.targets.bundle.card import card, input_shape
from edgecv.targets.bundle.metadata import labels_text
from edgecv.targets.bundle.target import write_golden
from edgecv.targets.web.browser import browser_path
from edgecv.targets.web.device import in_browser
from edgecv.targets.web.fixed_ends import described_with_fixed_ends, with_fixed_ends
from edgecv.targets.web.runtime_files import installed_runtime

PAGE = Path(__file__).parent / "page"
FILES = ("index.html", "page.css", "page.js", "model.js", "images.js", "serve.py", "README.md")
CHANNELS = (1, 3)
"""Channels of a picture that a page can read without a loss."""
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
        if facts.image[2] not in CHANNELS:
            found = f"takes {counted(facts.image[2], 'channel')}"
            accepted = "3 or 1, as the pictures of a page"
            raise InputError(where, found, accepted=accepted, remedy="--to bundle")
        if facts.batch > 1:
            raise InputError(where, f"takes {facts.batch} images at once", accepted="one image")
        if kind == "tflite" and keeps_state(file.path.read_bytes(), where):
            found = "keeps its state from one image to the next, which no page can reset"
            raise InputError(where, found, remedy="--to bundle, or --to ssh")
        installed_runtime(kind, self.node_modules)

    def reach(self, formats: Sequence[str], context: DeployContext) -> None:
        """Raise InputError where the runtime of a format is not installed."""
        for kind in formats:
            installed_runtime(kind, self.node_modules)

    def build(self, file: DeployedFile, folder: Path) -> None:
        """Write page, server, runtime, file and golden images."""
        kind, content = file.artifact.format, file.path.read_bytes()
        runtime, described = installed_runtime(kind, self.node_modules), _described(file)
        if kind == "onnx":
            content = in_one_file(file.path, content)
        else:
            shapes = input_shape(described), file.facts.run_shapes
            content = with_fixed_ends(content, shapes, str(file.path))
        table = card(described, content)
        (takes,) = table["inputs"]
        takes["values"] = pixel_values(described).T.tolist()
        table |= {
            "golden": len(file.golden),
            "title": file.origin.get("run", file.path.stem),
            "runtime_title": runtime.title,
        }
        write_bytes(folder / f"model.{kind}", content)
        write_bytes(folder / "labels.txt", labels_text(file).encode())
        write_json(folder / "model.json", table)
        write_json(folder / "origin.json", file.origin)
        write_golden(described, folder / "golden")
        for name in FILES:
            write_bytes(folder / name, (PAGE / name).read_bytes())
        (folder / "runtime").mkdir()
        for name, each in runtime.files().items():
            write_bytes(folder / "runtime" / name, each)

    @contextmanager
    def open(
        self, file: DeployedFile, folder: Path, context: DeployContext
    ) -> Iterator[Device | None]:
        """Run the page in this machine's Chromium; None where there is none."""
        browser = browser_path()
        if browser is None:
            yield None
            return
        title = installed_runtime(file.artifact.format, self.node_modules).title
        with in_browser(_described(file), folder, browser, title, context) as device:
            yield device


def _described(file: DeployedFile) -> DeployedFile:
    """Return the description of the file in the page."""
    return described_with_fixed_ends(file) if file.artifact.format == "tflite" else file
