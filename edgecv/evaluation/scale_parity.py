"""Equality of the scales and zero points of one trained model in the files of two formats."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from edgecv.core.errors import StepError
from edgecv.core.records import Artifact, Layer

RELATIVE = 1e-4
"""Largest relative difference of two scales: each format rounds them once more to float32."""


def check_same_scales(artifacts: Sequence[Artifact]) -> tuple[str, ...]:
    """Return a sentence for each pair of int8 files of one model.

    Raises StepError that names the first layer in which two files differ.
    """
    notes = []
    integers = [artifact for artifact in artifacts if artifact.precision == "int8"]
    for one, other in combinations(integers, 2):
        layers = {layer.name: layer for layer in other.layers}
        for layer in one.layers:
            found = layers.get(layer.name)
            if found is None or not _same(layer, found):
                raise StepError(
                    f"{one.path} and {other.path}",
                    f"have other scales in {layer.name}: {_text(layer)} and "
                    f"{'none' if found is None else _text(found)}",
                    remedy="this is a bug of edgecv: please report it",
                )
        notes.append(
            f"{one.path} and {other.path} have the same scales and zero points in all of "
            f"{', '.join(layer.name for layer in one.layers)}"
        )
    return tuple(notes)


def _same(one: Layer, other: Layer) -> bool:
    if one.output_zero_point != other.output_zero_point:
        return False
    first, second = ((*layer.scales, layer.output_scale or 0.0) for layer in (one, other))
    return len(first) == len(second) and np.allclose(first, second, rtol=RELATIVE, atol=0)


def _text(layer: Layer) -> str:
    scale = layer.scales[0] if layer.scales else None
    return (
        f"{len(layer.scales)} of weights (first {scale}), output {layer.output_scale} "
        f"from {layer.output_zero_point}"
    )
