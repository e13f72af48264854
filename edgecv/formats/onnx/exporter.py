"""The ONNX exporter."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from edgecv.core.artifact import Artifact
from edgecv.core.data import Images
from edgecv.core.errors import StepError
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins.exporter import MIXED
from edgecv.formats.export_checks import check_model
from edgecv.formats.exported_layers import one_scale_note
from edgecv.formats.file_exporter import FileExporter
from edgecv.formats.onnx.activation_type import choose
from edgecv.formats.onnx.adapt import OnnxNetwork
from edgecv.formats.onnx.canonical import serialized
from edgecv.formats.onnx.check import kernels_in, prove_float, prove_integer
from edgecv.formats.onnx.convert import convert
from edgecv.formats.onnx.graph_types import ModelProto
from edgecv.formats.onnx.kernel_scales import KernelScales
from edgecv.formats.onnx.mixed import FloatLayers, prove_mixed
from edgecv.formats.onnx.packing import packed
from edgecv.formats.onnx.quantize import ACTIVATIONS, Quantizer
from edgecv.formats.onnx.weight_range import WeightRange, better_range, may_saturate
from edgecv.formats.packing import Packed
from edgecv.models.declared_pixels import with_pixel_kernel

CODES_OF_8_BITS = (
    "weights of 8 bits, as they were trained or rounded: their sums of products may saturate"
    " on this processor, which has no VNNI"
)


class Onnx(FileExporter):
    """Writes .onnx files for ONNX Runtime, with an open batch."""

    name: ClassVar[str] = "onnx"
    format: ClassVar[str] = "onnx"
    default_rank: ClassVar[int | None] = 2
    precisions: ClassVar[tuple[str, ...]] = ("float32", "int8", "mixed")
    mixable: ClassVar[tuple[str, ...]] = ("float32", "int8")
    precision: Literal["float32", "int8", "mixed"]
    """int8: int8 weights and 8-bit activations (uint8, or int8 where that is clearly faster or
    better on the exporting machine); mixed: float32 or int8 by layer, with uint8 activations."""

    io: Literal["uint8", "int8", "float32"] | None = None
    """The input type of an int8 file: uint8, the bytes of a camera, if not given; int8, the byte
    minus 128; float32, pixels of 0..255, with a float32 output."""
    first_convolution: Literal["blocks", "plain"] | None = None
    """The first convolution of an int8 file: blocks, the default, lets it take blocks of pixels
    where its channels are no multiple of 4, which is faster on x86; plain leaves it as it is."""
    weight_range: WeightRange | None = None
    """The weights of an int8 file: full, 8 bits; reduced, 7 bits, whose answers are the same on
    every processor: on x86 without VNNI sums of 8 bits saturate. If not given, full, and on such a
    processor what is nearer to float32 there."""

    @model_validator(mode="after")
    def _options_are_of_integers(self) -> Self:
        for option in ("first_convolution", "weight_range"):
            if getattr(self, option) is not None and self.precision == "float32":
                raise ValueError(f"{option} is of int8 files: leave it out for float32")
        return self

    @property
    def processor_facts(self) -> Mapping[str, bool]:
        """Saturation of sums on this processor, where it decides on the range of weights."""
        is_open = self.precision != "float32" and self.weight_range is None
        return {"may_saturate": may_saturate()} if is_open else {}

    def export(self, model: KerasModel | OnnxNetwork, calibration: Images, path: Path) -> Artifact:
        """Convert ``model``, prove that the types are those asked for, and write ``path``.

        ``model``: a Keras model, or an OnnxNetwork, which needs no conversion.
        ``calibration``: uint8 (N, H, W, C), 0..255; used by int8. Raises StepError if the model
        cannot be converted, or the file would not be what was asked for.
        """
        where = path.name
        is_foreign = isinstance(model, OnnxNetwork)
        shape = model.shape if is_foreign else check_model(model, where)
        model = model if is_foreign else with_pixel_kernel(model)
        calibration = self.calibration_for(shape, calibration, where)
        converted = model.model() if is_foreign else convert(model, shape, where)
        names = self.one_scale_names(None if is_foreign else model, where)
        kernels = KernelScales() if is_foreign else KernelScales(model, names)
        notes = one_scale_note(names, self.precision)
        if self.precision == "float32":
            prove_float(converted, where)
        elif self.precision == MIXED:
            asked = partial(self.layer_precisions, where=where)
            layers = FloatLayers(None if is_foreign else model, asked)
            converted, chosen = self._mix(converted, calibration, where, kernels, layers)
            notes = (*chosen, *notes)
        else:
            converted, chosen = self._quantize(converted, calibration, where, kernels)
            notes = (*chosen, *notes)
        content, stored = serialized(converted), kernels_in(converted)
        return self.finish(None if is_foreign else model, content, stored, tuple(notes), path)

    def packed(self, content: bytes, *, keep_names: bool) -> Packed:
        """Return the packed file. Raises UnknownStructure for one that must stay as it is."""
        return packed(content, keep_names=keep_names)

    def _mix(
        self,
        converted: ModelProto,
        calibration: Images,
        where: str,
        scales: KernelScales,
        layers: FloatLayers,
    ) -> tuple[ModelProto, tuple[str, ...]]:
        """Return a model in which some layers stay float32, and notes: no time is measured."""
        in_blocks = self.first_convolution != "plain"
        quantizer = Quantizer(
            converted, calibration, where, scales, in_blocks=in_blocks, floats=layers
        )
        self._check_range(quantizer)
        kind = ACTIVATIONS[0]
        made = quantizer.quantize(kind, self.weight_range or "full")
        made, notes = self._of_better_range(made, quantizer, kind, converted)
        return made, (*notes, *prove_mixed(made, layers, where))

    def _quantize(
        self, converted: ModelProto, calibration: Images, where: str, scales: KernelScales
    ) -> tuple[ModelProto, tuple[str, ...]]:
        io = self.io or "uint8"
        in_blocks = self.first_convolution != "plain"
        quantizer = Quantizer(converted, calibration, where, scales, io, in_blocks=in_blocks)
        self._check_range(quantizer)
        weights = self.weight_range or "full"
        candidates = {kind: quantizer.quantize(kind, weights) for kind in ACTIVATIONS}
        kernels, refusals = dict[str, tuple[str, ...]](), dict[str, StepError]()
        for kind, model in candidates.items():
            try:
                kernels[kind] = prove_integer(model, where)
            except StepError as error:  # The other type may be run in integers all the same.
                refusals[kind] = error
        if not kernels:
            raise next(iter(refusals.values()))
        if refusals:
            (chosen,), (refusal,) = kernels, refusals.values()
            reason = f"activations {chosen}: else {refusal.found}"
        else:
            contents = {kind: serialized(model) for kind, model in candidates.items()}
            chosen, reason = choose(contents, serialized(converted), calibration, where)
        made, notes = self._of_better_range(candidates[chosen], quantizer, chosen, converted)
        return made, (reason, *kernels[chosen], *notes)

    def _check_range(self, quantizer: Quantizer) -> None:
        """Raise StepError for 7 bits where weights are codes of 8 already."""
        if self.weight_range == "reduced" and quantizer.has_codes:
            found = "weights of 7 bits were asked for, and those of the model lie on steps of 8"
            remedy = (
                "leave out weight_range, or qat and adaround, or take the model of before its"
                " weights were rounded"
            )
            raise StepError(quantizer.where, found, remedy=remedy)

    def _of_better_range(
        self, made: ModelProto, quantizer: Quantizer, activations: str, converted: ModelProto
    ) -> tuple[ModelProto, tuple[str, ...]]:
        """Return ``made``, or where no range is asked for the model with the better one; notes."""
        if self.weight_range is not None or not may_saturate():
            return made, ()
        if quantizer.has_codes:
            return made, (CODES_OF_8_BITS,)
        models: dict[WeightRange, ModelProto] = {
            "full": made,
            "reduced": quantizer.quantize(activations, "reduced"),
        }
        contents = {name: serialized(model) for name, model in models.items()}
        reference = serialized(converted)
        chosen, note = better_range(contents, reference, quantizer.images, quantizer.where)
        return models[chosen], (note,)
