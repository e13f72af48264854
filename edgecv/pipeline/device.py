"""Measurements of files on a device: answers, times and memory of another machine."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edgecv.core.closing import Closing
from edgecv.core.comparison import Blocks, Measurement
from edgecv.core.data import Images, Outputs
from edgecv.core.errors import EdgecvError, InputError, RuntimeFailure
from edgecv.core.images import ImageSequence, chunks
from edgecv.core.plugins import DeployContext, DeployedFile, Device, Target
from edgecv.core.text import counted, listed
from edgecv.pipeline.timed_files import timed_together
from edgecv.system.environment import machine_of

TURNS = 2
"""Timings of each file in a round, forwards and backwards."""


def check_device(target: Target, formats: Sequence[str], context: DeployContext) -> None:
    """Raise an error where a device takes no files of some formats, or cannot be reached."""
    where = f"--on {target.place}"
    other = [kind for kind in formats if kind not in target.formats]
    if other:
        fitting = listed([f".{kind}" for kind in target.formats])
        raise InputError(
            where,
            f"does not take .{other[0]} files",
            accepted=fitting,
            remedy=f"measure the {fitting} files one by one, with --baseline; for compress give"
            f" --format {target.formats[0]}",
        )
    if context.threads > 1 and not target.takes_threads:
        raise InputError(
            "--threads", f"{target.place} runs a file on one thread", remedy="leave it out"
        )
    with named_on():
        target.reach(formats, context)


class DeviceSession(Closing):
    """A device that files are measured on: each is built once, and opened whenever it runs."""

    def __init__(self, target: Target, context: DeployContext) -> None:
        self._target, self._context = target, context
        self._folders: dict[Path, Path] = {}
        self._stack = ExitStack()
        self.at: DeployedFile | None = None
        """The file of a round that was opened or timed last: the one that failed, if it did."""

    def close(self) -> None:
        """Remove what was built."""
        self._stack.close()

    def build(self, file: DeployedFile) -> None:
        """Check a file, and build what the device needs of it."""
        folder = self._stack.enter_context(TemporaryDirectory(prefix="edgecv-device-"))
        with named_on():
            self._target.check(file, None)
            self._target.build(file, Path(folder))
        self._folders[file.path] = Path(folder)

    @contextmanager
    def opened(self, file: DeployedFile, context: DeployContext | None = None) -> Iterator[Device]:
        """Open a file there, in a fresh process."""
        target, folder = self._target, self._folders[file.path]
        with named_on(), target.open(file, folder, context or self._context) as device:
            if device is None:
                raise InputError(f"--on {target.place}", f"{target.missing}: nothing can run there")
            yield device

    def measure(self, file: DeployedFile, images: ImageSequence, *, timed: bool) -> Measurement:
        """Run all images through a file, and time one where that says something."""
        with self.opened(file) as device:
            outputs = answers_of(device, images)
            blocks = device.time(images[:1]) if timed else None
            facts = device.facts
        runtime, memory = f"{facts.runtime} on {self._target.place}", facts.memory_bytes
        notes = [*file.artifact.notes, *facts.notes]
        if memory is not None:
            notes.append(f"takes {memory:,} bytes of memory on {self._target.place}")
        return Measurement(
            replace(file.artifact, notes=tuple(notes)),
            runtime,
            outputs,
            file.facts,
            blocks,
            facts.machine or machine_of(runtime, None),
        )

    def round(
        self, files: Sequence[DeployedFile], images: Sequence[Images], number: int
    ) -> list[Blocks] | None:
        """Time an image of each file, uint8 (1, H, W, C), in turn; None where a time says nothing.

        All are open at a time, each in a fresh process. Every other round opens them backwards.
        """
        quiet = replace(self._context, emit=lambda stage, message: None)
        order = list(range(len(files)))[:: 1 if number % 2 == 0 else -1]
        blocks: list[list[Blocks]] = [[] for _ in files]
        with ExitStack() as stack:
            devices: dict[int, Device] = {}
            for place in order:
                self.at = files[place]
                devices[place] = stack.enter_context(self.opened(files[place], quiet))
            for turn in range(TURNS):
                for place in order[:: 1 if turn % 2 == 0 else -1]:
                    self.at = files[place]
                    found = devices[place].time(images[place])
                    if found is None:
                        return None
                    blocks[place] += found
        return [_joined(each) for each in blocks]


def measure_on_device(
    target: Target,
    files: Sequence[DeployedFile],
    images: ImageSequence,
    context: DeployContext,
    rounds: int,
) -> tuple[list[Measurement], dict[str, str]]:
    """Measure files there; those of one format are timed in turn, in so many rounds, if any.

    Returns the measurements, and path -> reason of the files that failed there.
    """
    found: dict[str, Measurement] = {}
    failures: dict[str, str] = {}
    with DeviceSession(target, context) as session:
        built = []
        for file in files:
            try:
                session.build(file)
                built.append(file)
            except RuntimeFailure as failure:
                failures[file.artifact.path] = failure.reason
        for file in built:
            name = file.artifact.path
            context.emit("evaluate", f"{len(images):,} images through {name} on {target.place}")
            try:
                found[name] = session.measure(file, images, timed=rounds > 0)
            except RuntimeFailure as failure:
                failures[name] = failure.reason
        for kind in dict.fromkeys(file.artifact.format for file in built):
            group = [file for file in built if file.artifact.format == kind]
            group = [file for file in group if _is_timed(found.get(file.artifact.path))]
            if len(group) < 2:
                continue
            timed_files = counted(len(group), f"{kind} file")
            context.emit("latency", f"timing {timed_files} in turn on {target.place}")
            time = partial(_rounds, session, images[:1], rounds)
            alive, timed = timed_together(group, time, failures)
            for place, file in enumerate(alive):
                blocks = tuple(each[place] for each in timed or () if each is not None)
                name = file.artifact.path
                found[name] = replace(found[name], blocks_ns=blocks)
    return [each for name, each in found.items() if name not in failures], failures


def _rounds(
    session: DeviceSession, image: Images, rounds: int, files: Sequence[DeployedFile]
) -> list[list[Blocks] | None]:
    images = [image] * len(files)
    return [session.round(files, images, number) for number in range(rounds)]


@contextmanager
def named_on() -> Iterator[None]:
    """Name ``--on`` in the errors of a target, which are written for ``--to``."""
    try:
        yield
    except EdgecvError as error:
        if not error.where.startswith("--to "):
            raise
        raise type(error)(
            error.where.replace("--to", "--on", 1),
            error.found,
            accepted=error.accepted,
            remedy=error.remedy.replace("--to ", "--on ", 1),
        ) from None


def _is_timed(measurement: Measurement | None) -> bool:
    return measurement is not None and measurement.blocks_ns is not None


def answers_of(device: Device, images: ImageSequence) -> Outputs:
    """Return the outputs of a device for all images, which it gets in parts."""
    return Outputs.joined([device.predict(part) for part in chunks(images)])


def _joined(blocks: Sequence[Blocks]) -> Blocks:
    """Return several timings of one process as one: as many runs a block as the shortest has."""
    runs = min(each.shape[1] for each in blocks)
    return np.concatenate([each[:, :runs] for each in blocks])
