"""The contract of a runtime."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Protocol

from edgecv.core.errors import RuntimeFailure
from edgecv.core.input_spec import InputSpec
from edgecv.core.plugins.plugin import Plugin
from edgecv.core.quantization import Extremes, Stored
from edgecv.core.records import (
    Activation,
    ExecutedOperator,
    Images,
    Predictions,
    SessionFacts,
)

Watcher = Callable[[Images], Extremes]
"""Runs images, uint8 (N, H, W, C), and says how far each point went for each of them."""


class Session(Protocol):
    """An artifact that a runtime has opened. It owns scale and zero point."""

    facts: SessionFacts

    def predict(self, images: Images) -> Predictions:
        """Run all images, batched and on all threads: uint8 (N, H, W, C) -> float32 (N, K).

        N may be 0: then the answer says how large K is.
        """

    def single_call(self, image: Images) -> Callable[[], object]:
        """Return a function that runs one image, uint8 (1, H, W, C), already in place."""

    def batch_call(self, images: Images) -> Callable[[], object]:
        """Return a function that runs some images at once, uint8 (N, H, W, C), in place.

        Raises RuntimeFailure where the file cannot take so many.
        """


class Runtime(Plugin):
    """Opens an artifact and runs it."""

    format: ClassVar[str]
    format_title: ClassVar[str]
    """The format's name as people write it."""
    suffixes: ClassVar[tuple[str, ...]]
    needs_tensorflow: ClassVar[bool] = False
    runs_on_devices: ClassVar[bool] = True
    """Whether its files are for a device; others are models that such files are exported from."""
    takes_trust: ClassVar[bool] = False
    """Whether its files may hold code: its options are then those of a Trust."""
    has_delegate: ClassVar[bool] = False
    """Whether a delegate may take operators from its own kernels: XNNPACK."""
    fixes_scales: ClassVar[bool] = False
    """Whether its format says how an operator's output is quantized: probabilities in steps of
    1/256, and what only hands its input on as that input. TFLite does."""
    kernel_variants: ClassVar[Mapping[str, Mapping[str, str]]] = {"as it is": {}}
    """Options, by name, that choose other kernels for the same file; what users get comes first."""

    @abstractmethod
    def open(self, path: Path, threads: int, input_spec: InputSpec) -> Session:
        """Open the file at ``path``. Raises RuntimeFailure where it is not usable."""

    def executed(self, path: Path, image: Images) -> list[ExecutedOperator]:
        """Return the operators that run for one image, uint8 (1, H, W, C), in order."""
        raise RuntimeFailure(str(path), f"{self.name} does not say which operators it runs")

    def activations(self, path: Path, images: Images) -> list[Activation]:
        """Return what each operator gives for some images, uint8 (N, H, W, C), in order."""
        raise RuntimeFailure(str(path), f"{self.name} does not say what its operators give")

    def stored(self, path: Path, input_spec: InputSpec) -> Stored:
        """Return what a file stores: its weights as reals, and how its tensors are quantized."""
        raise RuntimeFailure(str(path), f"{self.name} does not say what its files store")

    def watcher(self, path: Path, threads: int, input_spec: InputSpec) -> Watcher:
        """Return what gives the extremes of each of the points of ``stored``, image by image."""
        raise RuntimeFailure(str(path), f"{self.name} does not say what its operators give")
