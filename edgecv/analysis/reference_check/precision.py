"""Comparison of the precision that a file claims with the one it holds."""

import re
from pathlib import Path

from edgecv.core.artifact import PRECISION_NOT_KNOWN, Artifact
from edgecv.core.quantization import KERNEL, Steps, Stored

DYNAMIC = ("DynamicQuantizeLinear", "DynamicQuantizeMatMul")
CLAIMS = ("int8", "int16x8", "dynamic", "float16", "float32")

ACTIVATION_BITS = {"int8": 8, "int16x8": 16}


def claim_of(artifact: Artifact) -> str | None:
    """Return the precision that a file claims: in its report, or as a separate word in its name.

    >>> re.split("[^a-z0-9]+", "mobilenet-int8_v2")
    ['mobilenet', 'int8', 'v2']
    """
    if artifact.precision != PRECISION_NOT_KNOWN:
        return artifact.precision if artifact.precision in CLAIMS else None
    parts = re.split("[^a-z0-9]+", Path(artifact.path).stem.lower())
    named = [part for part in parts if part in CLAIMS]
    return named[0] if len(named) == 1 else None


def other_than_claimed(claim: str, stored: Stored, *, has_twins_weights: bool) -> str | None:
    """Describe what a file holds instead of the precision it claims; None if the claim is true.

    Single layers in float, or of other bits, are allowed: other converters leave them so.
    """
    if not stored.kernels:
        return None
    types = [kernel.type for kernel in stored.kernels]
    floats = [kind for kind in types if kind.startswith(("float", "bfloat"))]
    if claim in ("int8", "int16x8", "dynamic") and len(floats) == len(types):
        same = ", the same as the twin's" if has_twins_weights else ""
        kind = "the float32 twin" if has_twins_weights else f"a {floats[0]} file"
        return f"it is called {claim}, all of its weights are {floats[0]}{same}: it is {kind}"
    if claim == "float16" and types.count("float16") == 0:
        return f"it is called float16, its weights are {types[0]}"
    if any(kind in DYNAMIC for kind, _ in stored.operators):
        return None  # Its activations become integers too, anew for each image.
    points = [point for point in stored.points if point.type == KERNEL]
    if claim in ("int8", "int16x8") and all(point.steps is None for point in points):
        return (
            f"it is called {claim}, and only its weights are integers: its activations are floats"
        )
    bits = [_bits(point.steps) for point in points if point.steps is not None]
    wanted = ACTIVATION_BITS.get(claim)
    others = [each for each in bits if each != wanted]
    if wanted is not None and 2 * len(others) > len(bits):
        return f"it is called {claim}, its activations have {others[0]} bits"
    return None


def _bits(steps: Steps) -> int:
    return (steps.high - steps.low).bit_length()
