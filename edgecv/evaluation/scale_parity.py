"""Equality of the scales and zero points of one trained model in the files of two formats."""

from collections.abc import Sequence
from itertools import combinations

from edgecv.core.artifact import Artifact, Layer
from edgecv.core.errors import StepError
from edgecv.core.quantization import are_same_scales


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
            if found is None and not layer.is_known:
                continue  # A second use of a layer: its place in the file is no name.
            difference = "it is in one of them" if found is None else _difference(layer, found)
            if difference:
                raise StepError(
                    f"{one.path} and {other.path}",
                    f"have other scales in {layer.name}: {difference}",
                    accepted="one network in both formats",
                    remedy=f"choose one format: --format {one.format} or --format {other.format}",
                )
        notes.append(
            f"{one.path} and {other.path} have the same scales and zero points in all of "
            f"{', '.join(layer.name for layer in one.layers)}"
        )
    return tuple(notes)


def _difference(one: Layer, other: Layer) -> str:
    """Return the first value that differs; empty if none does."""
    if len(one.scales) != len(other.scales):
        return f"{len(one.scales)} and {len(other.scales)} of its weights"
    for number, (first, second) in enumerate(zip(one.scales, other.scales, strict=True)):
        if not are_same_scales(first, second):
            return f"{first:.6g} and {second:.6g} of its weights in output {number}"
    if not are_same_scales(one.output_scale or 0.0, other.output_scale or 0.0):
        return f"{one.output_scale} and {other.output_scale} of its output"
    if one.output_zero_point != other.output_zero_point:
        return f"zero at {one.output_zero_point} and {other.output_zero_point} of its output"
    return ""
