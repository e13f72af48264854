"""The operators of TFLite that can be written in C, one file a family."""

from collections.abc import Callable

from edgecv.formats.tflite.operators import TFLiteOperator
from edgecv.targets.c.operators import (
    activations,
    arithmetic,
    conversions,
    convolutions,
    data_movement,
    depth_to_space,
    matrices,
    pools,
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
    **data_movement.WRITERS,
    **depth_to_space.WRITERS,
    **resizes.WRITERS,
    **slices.WRITERS,
}
