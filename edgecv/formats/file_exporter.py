"""Base class of the exporters: checks of the options, calibration images, the written file."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import field_validator, model_validator

from edgecv.core.artifact import Artifact
from edgecv.core.data import Images, Shape
from edgecv.core.errors import StepError
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import Exporter
from edgecv.core.plugins.exporter import MIXED
from edgecv.core.registry import EXPORTERS
from edgecv.core.text import listed
from edgecv.formats.export_checks import SHOWN, check_calibration
from edgecv.formats.exported_layers import read_layers
from edgecv.formats.kernel_layout import StoredKernel
from edgecv.formats.packing import Packed, UnknownStructure
from edgecv.formats.trained_scales import prove_trained_scales
from edgecv.formats.weights_check import prove_weights
from edgecv.models.kernels import kernels_of
from edgecv.system.storage import describe, write_bytes


class FileExporter(Exporter):
    """An exporter that proves the weights of a converted file, writes it and describes it."""

    mixable: ClassVar[tuple[str, ...]]
    """Precisions that a layer of a mixed file may have."""
    io: Literal["uint8", "int8", "float32"] | None = None
    layers: dict[str, Literal["float32", "int8", "int4"]] | None = None
    """Precisions of the layers of a mixed file, by name pattern: {"conv_1" = "float32"}; others are
    int8. They are searched where nothing is given. int4 is for TFLite: {"dense_*" = "int4"}."""
    pack: Literal["full", "keep-names", "off"] = "full"
    """Lossless packing of the file: equal parts once, no gaps, short names, no notes of the
    converter; keep-names leaves the converter's names; off leaves the file as it was converted."""

    @field_validator("precision", mode="before")
    @classmethod
    def _is_possible(cls, precision: Any) -> Any:
        if precision not in cls.precisions:
            raise ValueError(
                "; ".join(
                    f"{name} files can be {', '.join(each.precisions)}"
                    for name, each in EXPORTERS.classes.items()
                )
            )
        return precision

    @model_validator(mode="after")
    def _io_is_of_integers(self) -> Self:
        if self.io is not None and self.precision != "int8":
            raise ValueError(f"{self.precision} has an input type of its own: leave io out")
        return self

    @model_validator(mode="after")
    def _layers_are_possible(self) -> Self:
        if self.layers is None:
            return self
        if self.precision != MIXED:
            raise ValueError(f"{self.precision} is the precision of all layers: leave layers out")
        for name, precision in self.layers.items():
            if precision not in self.mixable:
                raise ValueError(
                    f"layers: {name} cannot be {precision} in {self.format}, but"
                    f" {', '.join(self.mixable)}"
                )
        return self

    @property
    def layer_choices(self) -> tuple[str, ...]:
        """Precisions among which that of each layer is searched; empty where nothing is."""
        return self.mixable if self.precision == MIXED and self.layers is None else ()

    def with_layers(self, layers: Mapping[str, str]) -> Self:
        """Return an exporter that gives layers these precisions, by name, and int8 to others."""
        return self.model_copy(update={"layers": {escape(key): layers[key] for key in layers}})

    def layer_precisions(self, names: Sequence[str], where: str) -> dict[str, str]:
        """Return the precision of each layer of a mixed file.

        Raises StepError if a pattern matches no layer.
        """
        asked = self.layers or {}
        for pattern in asked:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise StepError(
                    where, f'layers: "{pattern}" matches no layer', accepted=listed(names, SHOWN)
                )
        return {
            name: next((asked[each] for each in asked if fnmatchcase(name, each)), "int8")
            for name in names
        }

    def calibration_for(self, shape: Shape, calibration: Images, where: str) -> Images:
        """Return checked calibration images for an input of ``shape``.

        All images are returned unchecked for a precision that needs none.
        """
        if not self.is_calibrated:
            return calibration
        return check_calibration(calibration[: self.calibration_images], shape, where)

    def one_scale_names(self, model: KerasModel | None, where: str) -> tuple[str, ...]:
        """Return the layers whose kernel is to have one scale. ``model``: None for an ONNX graph.

        Raises StepError if a pattern matches no layer.
        """
        if not self.one_scale:
            return ()
        names = [] if model is None else list(kernels_of(model))
        for pattern in self.one_scale:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise StepError(
                    where,
                    f'one_scale: "{pattern}" matches no layer',
                    accepted=listed(names, SHOWN) if names else "a Keras model",
                )
        return tuple(
            name for name in names if any(fnmatchcase(name, pattern) for pattern in self.one_scale)
        )

    def finish(
        self,
        model: KerasModel | None,
        content: bytes,
        kernels: list[StoredKernel],
        notes: tuple[str, ...],
        path: Path,
    ) -> Artifact:
        """Prove the weights of a converted file, write it, and return its facts.

        ``model``: None if no Keras model was the source. ``kernels``: those in ``content``.
        """
        if model is not None:
            prove_weights(model, kernels, self.format, path.name)
        layers = read_layers(model, kernels, self.format)
        if model is not None:
            prove_trained_scales(model, layers, path.name)
        if self.pack != "off":
            content, note = self._packed(content)
            notes = (*notes, note)
        write_bytes(path, content)
        return describe(
            path, format=self.format, precision=self.precision, notes=notes, layers=layers
        )

    def twin(self) -> Self:
        """Return the float32 exporter of the same format, with the same packing."""
        return type(self)(precision="float32", pack=self.pack)

    @abstractmethod
    def packed(self, content: bytes, *, keep_names: bool) -> Packed:
        """Return the packed file. Raises UnknownStructure for one that must stay as it is."""

    def _packed(self, content: bytes) -> tuple[bytes, str]:
        """Return the packed file and a note; the same file where nothing is to be gained."""
        try:
            found = self.packed(content, keep_names=self.pack == "keep-names").content
        except UnknownStructure as error:
            return content, f"not packed: it {error}"
        if len(found) >= len(content):
            return content, "not packed: nothing is to be gained"
        return found, f"packed: {len(content):,} -> {len(found):,} bytes, the same network"
