"""The contract of an exporter."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from glob import escape
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, model_validator

from edgecv.core.artifact import Artifact
from edgecv.core.data import Images
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins.plugin import Plugin

MIXED = "mixed"
"""The precision of files whose layers have several ones, searched by what each layer costs."""
WITH_INTEGER_KERNELS = ("int8", "int16x8", "dynamic", MIXED)
DEFAULT_CALIBRATION_IMAGES = 200
"""Images that ranges are found on where a recipe names no number."""


class Exporter(Plugin):
    """Writes a Keras model as one file in one format at one precision."""

    format: ClassVar[str]
    """Format of its files, and their suffix: ``int8.tflite``."""
    default_rank: ClassVar[int | None] = None
    """Rank among the formats that are written by default; None if written only on request."""
    precisions: ClassVar[tuple[str, ...]]
    precision: str
    calibration_images: int | None = Field(default=None, ge=1)
    """Number of calibration images; when not given, all that the data set allows, up to 200."""
    one_scale: tuple[str, ...] = Field(default=(), strict=False)
    """Layers, by name pattern, whose int8 kernel has one scale instead of one a channel: equal
    weights stay equal. Those that cluster makes in the same run have it by themselves."""

    @model_validator(mode="after")
    def _one_scale_is_used(self) -> Self:
        if self.one_scale and self.precision not in WITH_INTEGER_KERNELS:
            raise ValueError(f"{self.precision} has no integer kernels: leave one_scale out")
        return self

    @model_validator(mode="after")
    def _calibration_is_used(self) -> Self:
        if self.calibration_images is not None and not self.is_calibrated:
            raise ValueError(
                f"{self.precision} needs no calibration images: leave calibration_images out"
            )
        return self

    @property
    def is_calibrated(self) -> bool:
        """True if the precision needs ranges of activations, measured on calibration images."""
        return self.precision in ("int8", "int16x8", MIXED)

    @property
    def range_images(self) -> int:
        """The most calibration images that ranges are found on; 0 where none are needed."""
        if not self.is_calibrated:
            return 0
        return self.calibration_images or DEFAULT_CALIBRATION_IMAGES

    @property
    def processor_facts(self) -> Mapping[str, bool]:
        """Facts of this processor that a file depends on: a stored file is taken by them."""
        return {}

    @property
    def weight_bits(self) -> Mapping[str, int]:
        """Bits of weights that are other than those of the precision, by the pattern of layers."""
        return {}

    @property
    def layer_choices(self) -> tuple[str, ...]:
        """Precisions among which that of each layer is searched; empty where nothing is."""
        return ()

    def with_layers(self, layers: Mapping[str, str]) -> Self:
        """Return an exporter that gives layers these precisions, by name, and int8 to others."""
        raise NotImplementedError(f"{self.name} has no precision for single layers")

    @abstractmethod
    def export(self, model: KerasModel, calibration: Images, path: Path) -> Artifact:
        """Write ``model`` to ``path``. Raises StepError where the precision is not possible.

        ``calibration``: uint8 (N, H, W, C), 0..255.
        """

    def with_one_scale(self, layers: Iterable[str]) -> Self:
        """Return an exporter that gives the kernels of these layers one scale too."""
        if self.precision not in WITH_INTEGER_KERNELS:
            return self
        names = (*self.one_scale, *(escape(name) for name in sorted(layers)))
        return self.model_copy(update={"one_scale": tuple(dict.fromkeys(names))})

    def twin(self) -> Self:
        """Return the float32 exporter of the same format."""
        return type(self)(precision="float32")
