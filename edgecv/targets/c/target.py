"""Plain C99 of a TFLite file: no runtime, no heap, one static arena."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from edgecv.core.plugins import DeployContext, DeployedFile, Device, Target
from edgecv.core.profile import PeakMemory, Profile, check_flash, check_ram
from edgecv.system.storage import write_bytes
from edgecv.targets.c.answers import check_one_image, encoded
from edgecv.targets.c.compiled import c_compiler, compiled
from edgecv.targets.c.generate import generate
from edgecv.targets.c.page import page
from edgecv.targets.c.program import Arithmetic
from edgecv.targets.c.project import Golden, PlacedProgram, write
from edgecv.targets.firmware.files import firmware_files


class CProject(Target):
    """Plain C99 for a microcontroller: no runtime, no heap, integers equal to LiteRT's."""

    name: ClassVar[str] = "c"
    has_times: ClassVar[bool] = False
    formats: ClassVar[tuple[str, ...]] = ("tflite",)
    missing: ClassVar[str] = "this machine has no C compiler (cc, gcc or clang)"
    address: ClassVar[str] = "kernels"
    kernels: Arithmetic = "builtin"
    """The kernels of LiteRT whose integers it computes: builtin, or reference."""

    @property
    def arithmetic(self) -> str:
        """The kernels of LiteRT whose integers it computes."""
        return self.kernels

    @property
    def own_profile(self) -> Profile | None:
        """The board that the target itself runs on; None where it is any."""
        return None

    def check(self, file: DeployedFile, profile: Profile | None) -> None:
        """Raise InputError for an operator, type or shape that is not supported, or no room."""
        self.check_format(file)
        check_one_image(file, self.name)
        found = self._layout(file)
        path, is_int8 = str(file.path), file.artifact.precision == "int8"
        peak = file.peak or PeakMemory(0, "")
        needed = replace(peak, bytes=found.arena, operator=found.peak)
        for each in filter(None, (profile, self.own_profile)):
            check_flash(path, found.constant_bytes, each, is_int8=is_int8)
            check_ram(path, needed, each)

    def build(self, file: DeployedFile, folder: Path) -> None:
        """Write the project."""
        found = self._layout(file)
        count = len(file.golden)
        golden = Golden(
            count,
            encoded(file, file.golden).tobytes(),
            b"".join(
                each[number].tobytes() for number in range(count) for each in file.golden_outputs
            ),
        )
        firmware = firmware_files(file)
        readme = {"README.md": page(file, found)}
        names = [each.name for each in (file.facts.input, *file.facts.outputs)]
        for name, text in {**write(found, golden, names), **firmware, **readme}.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            write_bytes(path, text.encode())

    @contextmanager
    def open(
        self, file: DeployedFile, folder: Path, context: DeployContext
    ) -> Iterator[Device | None]:
        """Compile the project with this machine's C compiler; None where there is none."""
        compiler = c_compiler()
        if compiler is None:
            yield None
            return
        with compiled(file, self._layout(file), folder, compiler, context) as project:
            yield project

    def _layout(self, file: DeployedFile) -> PlacedProgram:
        return generate(file.path.read_bytes(), str(file.path), self.kernels)
