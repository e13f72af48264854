"""ResNet-8 of MLPerf Tiny's image classification, 78,666 parameters at 32x32x3 and ten classes.

github.com/mlcommons/tiny, benchmark/training/image_classification/keras_model.py; after He et al.,
"Deep residual learning for image recognition", 2016.
"""

from typing import ClassVar

from pydantic import Field

from edgecv.core.keras_types import Tensor
from edgecv.core.plugins import Head
from edgecv.models.architectures import blocks
from edgecv.models.architectures.blocks import HeadOutputs

STACKS = 3


class Resnet8(blocks.BlockNetwork):
    """ResNet-8 of MLPerf Tiny: three residual stacks of 16, 32 and 64 filters."""

    name: ClassVar[str] = "resnet8"
    width: int = Field(default=16, ge=1, le=256)
    """Filters of the first stack; each further stack has twice as many."""
    depth: int = Field(default=1, ge=1, le=32)
    """Residual blocks of a stack."""

    def outputs(self, x: Tensor, head: Head) -> HeadOutputs:
        """Apply the layers between centred pixels and the end of the head."""
        x = blocks.convolved(x, self.width, 3, "conv_1")
        x = blocks.rectified(x, "conv_1")
        for stack in range(1, STACKS + 1):
            for number in range(1, self.depth + 1):
                name = f"stack_{stack}" if number == 1 else f"stack_{stack}_block_{number}"
                halves = stack > 1 and number == 1
                x = blocks.residual_block(x, self.width * 2 ** (stack - 1), name, halves=halves)
        return blocks.ended(x, head, kernel_initializer="he_normal")
