"""Proof that a file holds the scales that were trained: of its kernels and of their outputs."""

from collections.abc import Sequence

import numpy as np

from edgecv.core.artifact import Layer
from edgecv.core.errors import StepError
from edgecv.core.keras_types import KerasModel
from edgecv.core.quantization import are_same_scales
from edgecv.models.preprocessing import pixel_layers
from edgecv.models.quantizers import TrainedKernel, TrainedOutput, trained_kernels, trained_outputs

NEARLY_HALF = 0.5 + 1e-3
"""Largest difference of a zero point before and after it is rounded."""


def prove_trained_scales(model: KerasModel, layers: Sequence[Layer], where: str) -> None:
    """Raise StepError if a file of integers has another scale than quantizers of the model.

    ``layers``: those of the file. A model without quantizers passes.
    """
    kernels = {kernel.name: kernel for kernel in trained_kernels(model)}
    outputs = trained_outputs(model)
    factors = _pixel_factors(model)
    for layer in layers:
        differences = []
        if layer.name in kernels:
            differences.append(_weights_differ(layer, kernels[layer.name], factors))
        if layer.name in outputs:
            differences.append(_output_differs(layer, outputs[layer.name]))
        if found := [each for each in differences if each]:
            raise StepError(
                where,
                f"{layer.name} has other scales than it was trained with: {'; '.join(found)}",
                remedy="choose the other format for this model, or leave qat out",
            )
    if missing := [name for name in kernels if name not in {layer.name for layer in layers}]:
        raise StepError(
            where,
            f"the trained kernel of {missing[0]} is not in it",
            remedy="choose the other format for this model, or leave qat out",
        )


def _pixel_factors(model: KerasModel) -> set[float]:
    """Return factors of the first kernel: a converter may fold the rescaling of pixels into it."""
    scales = [getattr(layer, "scale", None) for layer in pixel_layers(model)]
    return {1.0} | {
        abs(float(scale)) for scale in scales if scale is not None and not np.ndim(scale)
    }


def _weights_differ(layer: Layer, kernel: TrainedKernel, factors: set[float]) -> str:
    """Return the first scale of a kernel that differs; empty if none does."""
    found, trained = np.array(layer.scales), kernel.scales
    if len({found.size, trained.size} - {1}) > 1:
        return f"{found.size} of its weights, and {trained.size} were trained"
    # The scale of a channel of zeros means nothing.
    axis = 0 if trained.size > 1 else None
    is_used = np.atleast_1d(np.abs(kernel.by_output()).max(axis=axis) > 0)
    others = [
        is_used & ~are_same_scales(found, trained * factor)
        for factor in sorted(factors, reverse=True)
    ]
    fewest = min(others, key=np.count_nonzero)
    if not fewest.any():
        return ""
    place = int(np.argmax(fewest))
    own, wanted = (float(np.broadcast_to(each, fewest.shape)[place]) for each in (found, trained))
    return f"{own:.6g} of its weights in output {place}, trained {wanted:.6g}"


def _output_differs(layer: Layer, trained: TrainedOutput) -> str:
    if layer.output_scale is None or layer.output_zero_point is None:
        return ""
    if not are_same_scales(layer.output_scale, trained.scale):
        return f"{layer.output_scale:.6g} of its output, trained {trained.scale:.6g}"
    if abs(layer.output_zero_point - np.clip(trained.zero, 0, 255)) > NEARLY_HALF:
        return f"zero at {layer.output_zero_point} of its output, trained {trained.zero:.2f}"
    return ""
