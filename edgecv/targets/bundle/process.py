"""The program of a bundle in a process of its own: arrays in, arrays out."""

import math
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.comparison import Blocks
from edgecv.core.data import Images, Outputs
from edgecv.core.errors import StepError
from edgecv.core.plugins import DeployContext, DeployedFile, DeviceFacts
from edgecv.core.text import printable
from edgecv.targets.answers import checked_times, real_outputs, seconds_an_image
from edgecv.targets.programs import run_program

AT_ONCE = 1000
"""Images of one call: their arrays and answers stay small."""
SECONDS, SECONDS_AN_IMAGE = 120, 2
TIMED_RUNS = 12
"""Runs of a slow file that is timed: one for its answer, one to find its time, and ten."""
LARGEST_OTHER_BYTES = 2**20
"""Most bytes of an answer beside its outputs."""
LONGEST_RUNTIME = 80


class BundleProcess:
    """Calls of ``predict.py`` with this Python, in the folder of the bundle."""

    def __init__(self, file: DeployedFile, folder: Path, context: DeployContext) -> None:
        self._file, self._folder, self._context = file, folder, context
        self.facts = DeviceFacts("predict.py")

    def predict(self, images: Images) -> Outputs:
        """Return the outputs for uint8 images (N, H, W, C): float32 (N, ...)."""
        parts = [
            self._answers(images[start : start + AT_ONCE])
            for start in range(0, len(images), AT_ONCE)
        ]
        return Outputs.joined(parts)

    def time(self, image: Images) -> tuple[Blocks, ...] | None:
        """Return timed runs of one image, uint8 (1, H, W, C)."""
        return (checked_times(self._call(image, "--time").get("nanoseconds"), "predict.py"),)

    def _answers(self, images: Images) -> Outputs:
        arrays = self._call(images)
        stored = {
            tensor.name: arrays[f"output{number}"]
            for number, tensor in enumerate(self._file.facts.outputs)
            if f"output{number}" in arrays
        }
        runtime, memory = arrays.get("runtime"), arrays.get("memory_bytes")
        if (
            runtime is None
            or memory is None
            or (runtime.dtype.kind, runtime.shape) != ("U", ())
            or (memory.dtype.kind, memory.shape) != ("i", ())
        ):
            raise StepError("predict.py", "does not name its runtime and its memory")
        self.facts = DeviceFacts(
            printable(str(runtime))[:LONGEST_RUNTIME],
            memory_bytes=max(0, int(memory)) or None,
            notes=("its memory is that of the whole process, Python and images with it",),
        )
        return real_outputs(self._file, stored, len(images), "predict.py")

    def _call(self, images: Images, *options: str) -> Mapping[str, NDArray[Any]]:
        with tempfile.TemporaryDirectory(prefix="edgecv-bundle-") as folder:
            given, found = Path(folder) / "in.npy", Path(folder) / "out.npz"
            np.save(given, images)
            command = [sys.executable, "-P", "predict.py", "--images", given, "--outputs", found]
            runs = TIMED_RUNS * max(1, self._file.facts.batch) if options else len(images)
            seconds = SECONDS + runs * seconds_an_image(self._file, SECONDS_AN_IMAGE)
            run_program(
                [*map(str, command), *options],
                seconds,
                name="predict.py",
                folder=self._folder,
                log=self._context.log,
            )
            return self._read(found, len(images))

    def _read(self, path: Path, count: int) -> Mapping[str, NDArray[Any]]:
        """Return the arrays of an answer, none of which is larger than it may be."""
        facts = self._file.facts
        pairs = zip(facts.outputs, facts.answers, strict=True)
        most = LARGEST_OTHER_BYTES + sum(
            count * math.prod(shape) * np.dtype(tensor.type).itemsize for tensor, shape in pairs
        )
        try:
            with zipfile.ZipFile(path) as archive:
                if sum(each.file_size for each in archive.infolist()) > most:
                    raise StepError("predict.py", f"gives more than {most:,} bytes")
            with np.load(path, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise StepError("predict.py", f"gives no arrays: {error}") from None
