"""Files of the browsers' runtimes, which npm has put on this machine: this package has none."""

from dataclasses import dataclass
from pathlib import Path

from edgecv.core.errors import InputError
from edgecv.core.files import read_regular
from edgecv.core.tables import json_value
from edgecv.core.text import printable

FOLDER = "node_modules"
LARGEST_BYTES = 200_000_000


@dataclass(frozen=True)
class WebRuntime:
    """A runtime: its title, its package, and the files that a page needs."""

    title: str
    package: str
    version: str
    """The versions whose interface the page uses, in the words of npm."""
    files: tuple[str, ...]


RUNTIMES = {
    "tflite": WebRuntime(
        "LiteRT.js",
        "@litertjs/core",
        "2",
        (
            "@litertjs/core/dist/index.js",
            "@litertjs/wasm-utils/dist/bundle.js",
            "@litertjs/core/wasm/litert_wasm_internal.js",
            "@litertjs/core/wasm/litert_wasm_internal.wasm",
            # For browsers without relaxed SIMD.
            "@litertjs/core/wasm/litert_wasm_compat_internal.js",
            "@litertjs/core/wasm/litert_wasm_compat_internal.wasm",
        ),
    ),
    "onnx": WebRuntime(
        "ONNX Runtime Web",
        "onnxruntime-web",
        "1",
        (
            "onnxruntime-web/dist/ort.wasm.min.mjs",
            "onnxruntime-web/dist/ort-wasm-simd-threaded.mjs",
            "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm",
        ),
    ),
}
IMPORTED = b'"@litertjs/wasm-utils"', b'"./bundle.js"'
"""The name by which a module imports another, and that of its file beside it."""


@dataclass(frozen=True)
class InstalledRuntime:
    """A runtime in a folder of npm."""

    runtime: WebRuntime
    folder: Path
    version: str

    @property
    def title(self) -> str:
        """Its name and version."""
        return f"{self.runtime.title} {self.version}"

    def files(self) -> dict[str, bytes]:
        """Return the files that a page needs, by name."""
        found = {}
        for name in self.runtime.files:
            content = read_regular(self.folder / name, LARGEST_BYTES)
            found[Path(name).name] = content.replace(*IMPORTED)
        return found


def installed_runtime(kind: str, given: str) -> InstalledRuntime:
    """Return the runtime of a format, in ``given`` or the nearest node_modules, as npm looks.

    Raises InputError where it is not there, with the line that installs it.
    """
    runtime = RUNTIMES[kind]
    here = Path.cwd()
    folders = [Path(given)] if given else [each / FOLDER for each in (here, *here.parents)]
    remedy = f"npm install {runtime.package}@{runtime.version}, or --node-modules FOLDER"
    folder = next((each for each in folders if (each / runtime.package).is_dir()), None)
    if folder is None:
        raise InputError(
            "--to web",
            f"needs {runtime.title}, which is not in {given or 'any node_modules from here up'}",
            remedy=remedy,
        )
    where = folder / runtime.package / "package.json"
    try:
        version = json_value(read_regular(where, LARGEST_BYTES))["version"]
        major = str(version).split(".")[0]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(str(where), "cannot be read", remedy=remedy) from None
    if major != runtime.version:
        found = f"{runtime.title} is of version {printable(str(version))}"
        raise InputError(str(where), found, accepted=f"{runtime.version}.x", remedy=remedy)
    for name in runtime.files:
        if not (folder / name).is_file():
            raise InputError(str(folder / name), "is not there", remedy=remedy)
    return InstalledRuntime(runtime, folder, printable(str(version)))
