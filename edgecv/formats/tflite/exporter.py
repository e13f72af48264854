"""The TensorFlow Lite exporter."""

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from edgecv.core.artifact import Artifact
from edgecv.core.data import Images, Shape
from edgecv.core.errors import StepError
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins.exporter import MIXED
from edgecv.core.text import first_line
from edgecv.formats.export_checks import check_convertible_to_int8, check_model
from edgecv.formats.exported_layers import one_scale_note
from edgecv.formats.file_exporter import FileExporter
from edgecv.formats.packing import Packed
from edgecv.formats.saved_model.frozen_graph import holds_graph
from edgecv.formats.tflite.check import kernels_in, prove
from edgecv.formats.tflite.four_bits import with_four_bits
from edgecv.formats.tflite.mixed import calibrated, layer_names, with_precisions
from edgecv.formats.tflite.one_scale import with_one_scale
from edgecv.formats.tflite.packing import packed
from edgecv.formats.tflite.products import has_squares_of_floats, with_products
from edgecv.models.declared_pixels import PixelInput, declared_pixels, with_pixel_kernel
from edgecv.models.kernels import kernels_of
from edgecv.models.outputs import file_output_names
from edgecv.models.preprocessing import pixel_layers
from edgecv.models.quantizers import LARGEST_CODE, trained_kernels
from edgecv.models.tf import compile_function, tensorflow
from edgecv.system.isolation.heartbeat import heartbeat

BATCH = 1
"""The fixed batch, which microcontrollers need. LiteRT can resize it, and with an open batch the
file was 230 to 460 bytes larger and not faster (CIFAR CNN, ResNet-8, MobileNet)."""


class TFLite(FileExporter):
    """Writes .tflite files for LiteRT and for microcontrollers."""

    name: ClassVar[str] = "tflite"
    format: ClassVar[str] = "tflite"
    default_rank: ClassVar[int | None] = 1
    precisions: ClassVar[tuple[str, ...]] = (
        "float32", "float16", "dynamic", "int8", "int16x8", "mixed",
    )  # fmt: skip
    mixable: ClassVar[tuple[str, ...]] = ("float32", "int8", "int4")
    precision: Literal["float32", "float16", "dynamic", "int8", "int16x8", "mixed"]
    """float16: float16 weights; dynamic: int8 weights, float32 activations; int8: integers
    throughout; int16x8: int16 activations, int8 weights; mixed: float32, int8 or weights of 4 bits
    by layer."""
    io: Literal["uint8", "int8", "float32"] | None = None
    """The input type of an int8 file: int8, the bytes of a camera minus 128, if not given; uint8,
    these bytes, for an operator more; float32, pixels of 0..255, with a float32 output."""

    bits: dict[str, Literal[4, 8]] = Field(default={})
    """Bits of the weights of an int8 file, by the name pattern of layers: {"dense_*" = 4}. Dense
    layers run as fast with 4; convolutions must be named in full, for TFLite Micro and C."""

    @model_validator(mode="after")
    def _bits_are_of_int8(self) -> Self:
        if self.bits and self.precision != "int8":
            raise ValueError(f"{self.precision} has weights of its own bits: leave bits out")
        return self

    @property
    def weight_bits(self) -> Mapping[str, int]:
        """Bits of weights that are other than those of the precision, by the pattern of layers."""
        if self.layers is None or "int4" not in self.layers.values():
            return self.bits
        # The others too: the first pattern that matches a layer says what it has.
        return {name: 4 if each == "int4" else 8 for name, each in self.layers.items()}

    def export(self, model: KerasModel, calibration: Images, path: Path) -> Artifact:
        """Convert ``model``, prove that the types are those asked for, and write ``path``.

        ``calibration``: uint8 (N, H, W, C), 0..255; used by int8 and int16x8. Raises StepError if
        the model cannot be converted, or the file would not be what was asked for.
        """
        where = path.name
        shape = check_model(model, where)
        model = with_pixel_kernel(model)
        is_integer = self.precision in ("int8", MIXED)
        if is_integer:
            check_convertible_to_int8(model, where)
        calibration = self.calibration_for(shape, calibration, where)
        pixels = PixelInput(model)
        if is_integer and self.io != "float32":
            pixels = declared_pixels(model)
            model = pixels.model
        names = self.one_scale_names(model, where)
        is_whole = bool(names) and set(names) == set(kernels_of(model, depthwise=True))
        if self.precision == MIXED:
            content = calibrated(
                (model.to_json(), *model.get_weights(), calibration),
                lambda: self._convert(pixels, shape, calibration, where, one_scale=False),
            )
            found = layer_names(content, model, where)
            layers = self.layer_precisions(found, where)
            content, proven = with_precisions(content, found, layers, where, one_scale=is_whole)
            names = tuple(name for name in names if layers.get(name) != "float32")
        else:
            content = self._convert(pixels, shape, calibration, where, one_scale=is_whole)
            proven = prove(content, self.precision, where, self.io, partly=holds_graph(model))
        if names and not is_whole:
            content = with_one_scale(content, model, names, where)
        notes = (*proven, *self._pixel_notes(pixels), *one_scale_note(names, self.precision))
        if bits := self.weight_bits:
            is_mixed = self.precision == MIXED
            content, rounded = with_four_bits(content, model, bits, where, is_mixed=is_mixed)
            notes += rounded
        return self.finish(model, content, kernels_in(content, where), notes, path)

    def packed(self, content: bytes, *, keep_names: bool) -> Packed:
        """Return the packed file. Raises UnknownStructure for one that must stay as it is."""
        return packed(content, keep_names=keep_names)

    def _pixel_notes(self, pixels: PixelInput) -> Iterator[str]:
        """Yield sentences on how a pixel becomes a code, and what is computed on the way."""
        if self.precision in ("int8", MIXED) and self.io in (None, "int8"):
            yield "the byte x of a pixel enters as the int8 x - 128, that is x ^ 0x80"
        if pixels.note:
            yield pixels.note

    def _convert(
        self, pixels: PixelInput, shape: Shape, calibration: Images, where: str, *, one_scale: bool
    ) -> bytes:
        model = pixels.model
        is_open, names = needs_range_of_pixels(model), file_output_names(model)

        def serve(image: Any) -> dict[str, Any]:
            if is_open:
                # The converter finds the scales of a kernel again where its input has no range.
                image = tensorflow.quantization.fake_quant_with_min_max_args(image, *pixels.ends)
            answers = tensorflow.nest.flatten(model(image, training=False))
            return dict(zip(names, answers, strict=True))

        image = tensorflow.TensorSpec((BATCH, *shape), tensorflow.float32, name="image")
        # The converter first saves the owner of the variables as a SavedModel. The same bytes come
        # out four times sooner if that is not the Keras model, whose layers are all traced.
        owner = tensorflow.Module()
        owner.variables_of_model = model.variables

        def convert(function: Any) -> bytes:
            converter = tensorflow.lite.TFLiteConverter.from_concrete_functions([function], owner)
            self._set_precision(converter, pixels, calibration)
            if holds_graph(model) and self.precision == "int8":
                # Its operations are whatever its author took: some have no integer kernel.
                converter.target_spec.supported_ops.append(tensorflow.lite.OpsSet.TFLITE_BUILTINS)
            converter._experimental_disable_per_channel = one_scale
            converter._experimental_calibrate_only = self.precision == MIXED
            content: bytes = converter.convert()
            return content

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                function = compile_function(serve, input_signature=[image]).get_concrete_function()
                if self.precision == "int16x8":
                    return convert(with_products(function))
                content = convert(function)
                if self.precision == "int8" and has_squares_of_floats(content, where):
                    return convert(with_products(function))
        except Exception as error:  # its errors have no other common base class
            raise StepError(
                where,
                f"TensorFlow cannot convert this model to {self.precision}: {first_line(error)}",
            ) from error
        return content

    def _set_precision(self, converter: Any, pixels: PixelInput, calibration: Images) -> None:
        operators = tensorflow.lite.OpsSet
        if self.precision == "float32":
            return
        converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
        if self.precision == "float16":
            converter.target_spec.supported_types = [tensorflow.float16]
        if self.is_calibrated:
            converter.representative_dataset = lambda: _one_by_one(pixels, calibration)
        if self.precision == "int8":
            converter.target_spec.supported_ops = [operators.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = getattr(tensorflow, self.io or "int8")
            is_float = self.io == "float32"
            converter.inference_output_type = tensorflow.float32 if is_float else tensorflow.int8
        if self.precision == "int16x8":
            converter.target_spec.supported_ops = [
                operators.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            ]
            converter.inference_input_type = tensorflow.int16
            converter.inference_output_type = tensorflow.int16


def needs_range_of_pixels(model: KerasModel) -> bool:
    """Return True if the converter would lose the scales of the first trained kernel.

    Where the input of a kernel has no range, it finds the scales again from the rounded weights:
    others than the trained ones if the weights no longer fill the range of their last step. An
    offset of the pixels has a range of its own.
    """
    if any(getattr(layer, "quantizer_vars", None) for layer in model.layers):
        return False
    if any(np.any(getattr(layer, "offset", 1)) for layer in pixel_layers(model)):
        return False
    for kernel in trained_kernels(model):
        weights, axis = np.abs(kernel.by_output()), 0 if kernel.scales.size > 1 else None
        largest = np.atleast_1d(weights.max(axis=axis))
        if np.any((largest > 0) & (largest < (LARGEST_CODE - 0.5) * kernel.scales)):
            return True
    return False


def _one_by_one(pixels: PixelInput, images: Images) -> Iterator[list[NDArray[np.float32]]]:
    """Yield each image as the model takes it, float32 (1, H, W, C); together they span 0..255.

    The input's scale is computed from them: only with both ends is a byte its own code.
    """
    for image in images:
        heartbeat()
        yield [pixels.values(image[np.newaxis])]
    if images.min() > 0 or images.max() < 255:
        # Two changed pixels of a repeated image: other ranges hardly move.
        spanning = images[:1].copy()
        spanning.flat[0], spanning.flat[-1] = 0, 255
        yield [pixels.values(spanning)]
