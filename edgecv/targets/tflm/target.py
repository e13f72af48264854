"""TFLite Micro: a C array, exactly the model's operators, and the arena as measured."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import ClassVar, Literal

import numpy as np

from edgecv.core.comparison import Blocks
from edgecv.core.data import Images, Outputs
from edgecv.core.errors import InputError, StepError
from edgecv.core.plugins import DeployContext, DeployedFile, DeviceFacts, Target
from edgecv.core.profile import PeakMemory, Profile, check_flash, check_ram
from edgecv.formats.tflite.tables import TFLiteTables
from edgecv.system.storage import write_bytes
from edgecv.targets.answers import outputs_of_bytes
from edgecv.targets.c.answers import check_one_image, encoded
from edgecv.targets.tflm.interpreter import NAME, MicroAnswer, is_installed, run_micro
from edgecv.targets.tflm.resolver import resolver_lines

SOURCES = ("edgecv_model.h", "edgecv_resolver.h")
WHERE = "--to tflm"
ALIGNMENT = 16
BYTES_A_LINE = 16


class Tflm(Target):
    """TFLite Micro: C array, resolver and arena; its answers are those of its own interpreter."""

    name: ClassVar[str] = "tflm"
    has_times: ClassVar[bool] = False
    formats: ClassVar[tuple[str, ...]] = ("tflite",)
    address: ClassVar[str] = "weights"
    weights: Literal["plain", "lut"] = "plain"
    """The weights as they are, or those of few values in look-up tables, unpacked while it runs."""

    @property
    def arithmetic(self) -> str:
        """The kernels of LiteRT that round as its own do, on nearly all images."""
        return "builtin"

    def reach(self, formats: Sequence[str], context: DeployContext) -> None:
        """Raise InputError where the interpreter is not installed."""
        _check_installed()

    def check(self, file: DeployedFile, profile: Profile | None) -> None:
        """Refuse what the interpreter does not take, and an arena too large for the board."""
        super().check(file, profile)
        _check_installed()
        check_one_image(file, self.name)
        answer = self._first(file)
        if profile is not None:
            peak = file.peak or PeakMemory(0, "")
            needed = replace(peak, bytes=answer.arena.total, operator=NAME)
            check_flash(str(file.path), len(answer.content), profile, is_int8=not peak.is_float)
            check_ram(str(file.path), needed, profile)

    def build(self, file: DeployedFile, folder: Path) -> None:
        """Write the array, the operators and the size of the arena."""
        answer = self._first(file)
        content, arena = answer.content, answer.arena
        lines = resolver_lines(TFLiteTables(content, str(file.path)).kinds_in_use)
        parts = {
            "BYTES": len(content),
            "SHA256": hashlib.sha256(content).hexdigest(),
            "ARENA": -(-arena.total // ALIGNMENT) * ALIGNMENT,
            "OPERATORS": len(lines),
            "LINES": "\n".join(
                f"  if (resolver.{each} != kTfLiteOk) return kTfLiteError;" for each in lines
            ),
        }
        for name in SOURCES:
            text = (files(__package__) / "sources" / name).read_text()
            write_bytes(folder / name, Template(text).substitute(parts).encode())
        write_bytes(folder / "edgecv_model.cc", _array(content).encode())

    @contextmanager
    def open(
        self, file: DeployedFile, folder: Path, context: DeployContext
    ) -> Iterator["MicroDevice"]:
        """Run the file in TFLite Micro's own interpreter on this machine."""
        yield MicroDevice(file, context, self._first(file), packs=self._packs)

    @property
    def _packs(self) -> bool:
        return self.weights == "lut"

    def _first(self, file: DeployedFile) -> MicroAnswer:
        """Return the answer to one image: file and arena are the same for all."""
        return _run(file, np.zeros((1, *file.facts.image), np.uint8), packs=self._packs)


class MicroDevice:
    """TFLite Micro's interpreter: see Device."""

    def __init__(
        self, file: DeployedFile, context: DeployContext, first: MicroAnswer, *, packs: bool
    ) -> None:
        self._file, self._context, self._packs = file, context, packs
        self.facts = _facts(first, file.artifact.bytes)

    def predict(self, images: Images) -> Outputs:
        """Return the outputs for uint8 images (N, H, W, C): float32 (N, ...).

        Raises StepError where tables of weights change an answer.
        """
        found = _run(self._file, images, self._context.log, packs=self._packs)
        if self._packs:
            plain = _run(self._file, images, self._context.log, packs=False)
            changed = int((found.rows != plain.rows).any(axis=1).sum())
            if changed:
                raise StepError(
                    WHERE,
                    f"gives another answer on {changed:,} of {len(images):,} images with weights"
                    " in tables",
                    remedy="--to tflm",
                )
        return outputs_of_bytes(self._file, found.rows, WHERE)

    def time(self, image: Images) -> tuple[Blocks, ...] | None:
        """Return None: its kernels on this machine say nothing of a microcontroller's time."""
        return None


def _run(
    file: DeployedFile, images: Images, log: Path | None = None, *, packs: bool
) -> MicroAnswer:
    return run_micro(file.path, encoded(file, images), log, packs=packs)


def _facts(first: MicroAnswer, plain_bytes: int) -> DeviceFacts:
    arena, size = first.arena, len(first.content)
    packing = (
        f"weights in tables make it {plain_bytes - size:,} bytes smaller, every answer is that of"
        f" the file of {plain_bytes:,} bytes; layers are unpacked into the arena"
    )
    return DeviceFacts(
        NAME,
        memory_bytes=arena.total,
        flash_bytes=size,
        notes=(
            *((packing,) if size != plain_bytes else ()),
            f"arena: {arena.head:,} bytes of activations, {arena.tail:,} bytes of tables on this"
            " 64-bit machine, which are fewer on a board of 32 bits",
            "flash is the file alone, without the interpreter",
        ),
    )


def _array(content: bytes) -> str:
    """Return the C++ source of the bytes of a file."""
    values = np.frombuffer(content, np.uint8).tolist()
    rows = (values[start : start + BYTES_A_LINE] for start in range(0, len(values), BYTES_A_LINE))
    lines = "\n".join("  " + ",".join(map(str, row)) + "," for row in rows)
    declared = f"alignas({ALIGNMENT}) const unsigned char kEdgecvModel[kEdgecvModelBytes]"
    return f'#include "edgecv_model.h"\n\n{declared} = {{\n{lines}\n}};\n'


def _check_installed() -> None:
    if not is_installed():
        raise InputError(
            "--to tflm",
            "needs the package tflite-micro, which is not installed",
            accepted="Linux on x86_64",
            remedy='pip install "edgecv[micro]"',
        )
