"""The contract of a target: where an artifact runs and is proven."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray

from edgecv.core.artifact import Artifact, SessionFacts
from edgecv.core.comparison import Blocks
from edgecv.core.data import Images, Outputs, PixelClasses
from edgecv.core.errors import InputError
from edgecv.core.input_spec import InputSpec
from edgecv.core.plugins.plugin import Plugin
from edgecv.core.plugins.task import Task
from edgecv.core.preprocessing import Preprocessing
from edgecv.core.profile import PeakMemory, Profile, check_flash, check_ram


@dataclass(frozen=True)
class DeployedFile:
    """An artifact, and everything that a program which runs it needs to know."""

    artifact: Artifact
    path: Path
    facts: SessionFacts
    """Its inputs and outputs, as the runtime of this machine sees them."""
    input_spec: InputSpec
    """The input as a runtime of this machine is told to read it."""
    preprocess: Preprocessing
    """Arithmetic on pixels of 0..255 before they are quantized; most files take the pixels."""
    resize: str
    """The way in which photographs of another size are fitted: stretch, crop or pad."""
    task: Task
    """The meaning of the outputs."""
    labels: tuple[str, ...]
    """Names of the classes, or of the numbers; of a model of one task."""
    golden: Images
    """Images drawn over the whole test split: uint8 (N, H, W, C), 0..255."""
    golden_outputs: tuple[NDArray[Any], ...]
    """Each output for these images, as the file stores it: (N, ...)."""
    activation: str | None
    """The function that makes probabilities of the first output: Softmax, Sigmoid, or None."""
    pixel_classes: PixelClasses | None
    """The form in which the first output holds a class for each pixel; None if it does not."""
    peak: PeakMemory | None
    """None where the file leaves a size open."""
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of the classes, or of the numbers, by the output of a head."""
    others: tuple[str, ...] = ()
    """Names of the other files of its run, candidates first."""
    origin: Mapping[str, Any] = field(default_factory=dict)
    """Its origin: hashes, recipe, commit, verdict; plain values."""
    seconds: float = 0.0
    """Time of one image on this machine; 0 where it was not measured."""

    def names_of(self, number: int) -> tuple[str, ...]:
        """Return the names of the numbers of an output; empty where it has none.

        Of several outputs of one task, those of a detector for one, the labels belong to the one
        with a number for each of them.
        """
        if self.names:
            return self.names.get(self.facts.outputs[number].name, ())
        sizes = [shape[-1] if shape else 1 for shape in self.facts.answers]
        fitting = [place for place, size in enumerate(sizes) if size == len(self.labels)]
        named = [0] if self.task.has_one_output else fitting
        return self.labels if named == [number] else ()


@dataclass(frozen=True)
class DeployContext:
    """The listener and the log of a deployment."""

    emit: Callable[[str, str], None]
    """Takes the name of a stage, and what is done."""
    log: Path | None = None
    """The file that collects what other programs print."""
    threads: int = 1
    """Threads of the runtime there, for a target that takes a number of them."""


@dataclass(frozen=True)
class DeviceFacts:
    """Facts about a device: said by itself, or found out about it."""

    runtime: str
    """Name and version of the program that runs the file there."""
    memory_bytes: int | None = None
    """Bytes of memory that the model takes there; None where that is not known."""
    flash_bytes: int | None = None
    """Bytes of flash of code and weights; None where that is not known."""
    notes: tuple[str, ...] = ()
    machine: str = ""
    """Its kind of machine, as ``environment.machine_of`` writes it; empty where not known."""


class Device(Protocol):
    """Something that runs a deployed file. All that it says is untrusted."""

    facts: DeviceFacts

    def predict(self, images: Images) -> Outputs:
        """Return the outputs as real numbers: uint8 (N, H, W, C) -> float32 (N, ...).

        Names and order are those of the file. Raises StepError where no usable answer comes.
        """

    def time(self, image: Images) -> tuple[Blocks, ...] | None:
        """Return timed runs of one image, uint8 (1, H, W, C); None where a time says nothing."""


class Target(Plugin):
    """A place where an artifact runs and is proven: checked, built, run there, compared."""

    formats: ClassVar[tuple[str, ...]]
    """Formats of the artifacts that it takes, the preferred one first."""
    missing: ClassVar[str] = ""
    """The reason for which ``open`` gives no device: "this machine has no C compiler"."""
    address: ClassVar[str] = ""
    """The option that TEXT of ``--to NAME:TEXT`` sets; empty for a target without any."""
    has_times: ClassVar[bool] = True
    """False if its devices give no times: what runs there is not the device, or has no clock."""
    takes_threads: ClassVar[bool] = False
    """True if files run there on as many threads as are asked for."""

    @property
    def place(self) -> str:
        """The target as ``--to`` takes it: its name, and its address where it has one."""
        address = str(getattr(self, self.address)) if self.address else ""
        is_whole = not address or address.startswith(f"{self.name}:")
        return (address or self.name) if is_whole else f"{self.name}:{address}"

    @property
    def device_name(self) -> str:
        """The name of the device in the row of a file: one of many hosts has its own."""
        return self.name

    def reach(self, formats: Sequence[str], context: DeployContext) -> None:
        """Raise an error where the device cannot run files of some formats: before slow steps."""

    @property
    def arithmetic(self) -> str | None:
        """The kernels of LiteRT whose numbers it computes; None where that is not known.

        The file is measured with these on this machine too.
        """
        return None

    def check(self, file: DeployedFile, profile: Profile | None) -> None:
        """Raise InputError where the file cannot run there: before anything is built.

        A target that knows its own code and memory plan says more.
        """
        self.check_format(file)
        if profile is not None:
            path, is_float = str(file.path), file.peak is not None and file.peak.is_float
            check_flash(path, file.artifact.bytes, profile, is_int8=not is_float)
            if file.peak is not None:
                check_ram(path, file.peak, profile)

    def check_format(self, file: DeployedFile) -> None:
        """Raise InputError for a file of another format; it names one of the run that fits."""
        if file.artifact.format not in self.formats:
            fitting = [name for name in file.others if name.endswith(tuple(self.formats))]
            raise InputError(
                str(file.path),
                f"is a .{file.artifact.format} file, which {self.name} does not take",
                accepted=", ".join(f".{each}" for each in self.formats),
                remedy=f"--artifact {fitting[0]} of the same run"
                if fitting
                else f"edgecv compress --format {self.formats[0]} makes one",
            )

    @abstractmethod
    def build(self, file: DeployedFile, folder: Path) -> None:
        """Write what is brought to the device into an empty folder.

        The folder is moved to its place when it is proven, so that it appears whole or not at all.
        """

    @abstractmethod
    def open(
        self, file: DeployedFile, folder: Path, context: DeployContext
    ) -> AbstractContextManager[Device | None]:
        """Bring what ``build`` wrote to the device and start it; it ends with the context.

        None where nothing on this machine can run it: it is built, and not proven.

        Nothing that is written while it runs may stay in ``folder``.
        """
