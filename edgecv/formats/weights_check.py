"""Proof that the weights in an exported file are those of the model that was exported.

A converter may fold neighbouring operators into a layer, so one factor per output is allowed.
"""

from collections import Counter
from collections.abc import Sequence

from edgecv.core.errors import StepError
from edgecv.core.keras_types import KerasModel
from edgecv.core.text import listed
from edgecv.formats.export_checks import SHOWN
from edgecv.formats.kernel_layout import LayerKernel, StoredKernel, layer_kernels, similarity

LEAST_SIMILARITY = 0.9
"""The least cosine similarity of an output's weights with the model's, for the median output:
rounding to 8 bits keeps it far higher, and other weights have about 0."""
LARGEST_PIXEL = 4
"""The most input channels of a first kernel, into which the preprocessing may be folded."""
COMPARED = ("Conv2D", "Conv2DTranspose", "DepthwiseConv2D", "Dense")


def prove_weights(
    model: KerasModel, kernels: Sequence[StoredKernel], file_format: str, where: str
) -> None:
    """Raise StepError if a kernel of the file resembles none of its size in the model.

    ``kernels``: in the order of the file; a converter may reorder branches, so it is
    compared with all of the model's kernels of that size.
    """
    by_size: dict[int, list[LayerKernel]] = {}
    for layer in layer_kernels(model, file_format):
        if _is_compared(layer):
            by_size.setdefault(layer.weights.size, []).append(layer)
    counts = Counter(stored.weights.size for stored in kernels)
    others = []
    for number, stored in enumerate(kernels, start=1):
        same_size = by_size.get(stored.weights.size, [])
        if counts[stored.weights.size] > len(same_size):
            continue  # One is of a layer that is not compared: a separable convolution.
        if max(similarity(stored.weights, each) for each in same_size) < LEAST_SIMILARITY:
            names = " or ".join(each.name for each in same_size)
            others.append(f"kernel {number} ({names})")
    if others:
        raise StepError(
            where,
            f"the converter wrote other weights than the model has: {listed(others, SHOWN)}",
            remedy="choose another format, and report the model that this happens with",
        )


def _is_compared(layer: LayerKernel) -> bool:
    """Return True unless a kernel may include the preprocessing, or is of another kind."""
    if layer.kind not in COMPARED or layer.name.endswith("/depthwise"):
        return False
    return layer.kind == "Dense" or layer.channels > LARGEST_PIXEL
