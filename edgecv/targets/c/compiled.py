"""A C project that this machine's compiler has built, in a process of its own."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from edgecv.core.comparison import Blocks
from edgecv.core.data import Images, Outputs
from edgecv.core.errors import StepError
from edgecv.core.plugins import DeployContext, DeployedFile, DeviceFacts
from edgecv.core.text import printable
from edgecv.targets.answers import output_bytes, outputs_of_bytes, seconds_an_image
from edgecv.targets.c.answers import encoded
from edgecv.targets.c.project import PlacedProgram
from edgecv.targets.programs import first_installed, run_program

COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-O3", "-std=c99", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off")
SOURCES = ("edgecv_model.c", "edgecv_weights.c", "edgecv_golden.c", "edgecv_main.c")
PROGRAM = "edgecv_main"
COMPILE_SECONDS = 300
SECONDS, SECONDS_AN_IMAGE = 60, 5
LONGEST_VERSION = 80


def c_compiler() -> str | None:
    """Return the path of this machine's C compiler."""
    return first_installed(COMPILERS)


@contextmanager
def compiled(
    file: DeployedFile, layout: PlacedProgram, folder: Path, compiler: str, context: DeployContext
) -> Iterator["CompiledProject"]:
    """Compile a project in a folder that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="edgecv-c-") as built:
        program = Path(built) / PROGRAM
        context.emit("build", f"compiling with {compiler}")
        sources = [str(folder / name) for name in SOURCES]
        build = [compiler, *FLAGS, *sources, "-o", str(program), "-lm"]
        run_program(build, COMPILE_SECONDS, log=context.log)
        version = run_program([compiler, "--version"], SECONDS).decode("utf-8", "replace")
        yield CompiledProject(file, layout, program, printable(version.splitlines()[0]))


class CompiledProject:
    """The main program of a project: bytes of inputs in, bytes of outputs out."""

    def __init__(
        self, file: DeployedFile, layout: PlacedProgram, program: Path, version: str
    ) -> None:
        self._file, self._program = file, program
        self.facts = DeviceFacts(
            f"C99 of {version[:LONGEST_VERSION]}",
            memory_bytes=layout.arena,
            notes=(f"weights and tables take {layout.constant_bytes:,} bytes of flash",),
        )

    def predict(self, images: Images) -> Outputs:
        """Return the outputs for uint8 images (N, H, W, C): float32 (N, ...)."""
        seconds = SECONDS + len(images) * seconds_an_image(self._file, SECONDS_AN_IMAGE)
        content = run_program([str(self._program)], seconds, encoded(self._file, images).tobytes())
        size = sum(output_bytes(self._file))
        if len(content) != len(images) * size:
            wanted = f"{len(images) * size:,}"
            raise StepError(PROGRAM, f"gives {len(content):,} bytes", accepted=wanted)
        rows = np.frombuffer(content, np.uint8).reshape(-1, size)
        return outputs_of_bytes(self._file, rows, PROGRAM)

    def time(self, image: Images) -> tuple[Blocks, ...] | None:
        """Return None: a time of this machine says nothing of a microcontroller."""
        return None
