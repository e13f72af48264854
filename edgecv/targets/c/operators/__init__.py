"""The operators of TFLite that can be written in C, one file a family."""

from collections.abc import Callable

from edgecv.formats.tflite.operators import TFLiteOperator
from edgecv.targets.c.operators import (
    activations,
    arithmetic,
    conversions,
    convolutions,
    matrices,
    moves,
    pools,
    rearranged,
    resizes,
    slices,
)
from edgecv.targets.c.program import Program

WRITERS: dict[str, Callable[[Program, TFLiteOperator], None]] = {
    **convolutions.WRITERS,
    **matrices.WRITERS,
    **pools.WRITERS,
    **arithmetic.WRITERS,
    **activations.WRITERS,
    **conversions.WRITERS,
    **moves.WRITERS,
    **rearranged.WRITERS,
    **resizes.WRITERS,
    **slices.WRITERS,
}
