"""DS-CNN of MLPerf Tiny's keyword spotting, taken from spectrograms to images.

github.com/mlcommons/tiny, benchmark/training/keyword_spotting/keras_model.py; after Zhang et al.,
"Hello edge: keyword spotting on microcontrollers", 2017. Two things differ from there: the
first kernel is a square, as an image has no axis of time for one of 10x4; and there is no dropout,
as a training that was killed would go on with other random numbers.
"""

from typing import ClassVar

from pydantic import Field

from edgecv.core.keras_types import Tensor
from edgecv.core.plugins import Head
from edgecv.models.architectures import blocks
from edgecv.models.architectures.blocks import HeadOutputs


class DsCnn(blocks.BlockNetwork):
    """Depthwise-separable CNN of keyword spotting: all blocks alike, at half the image's sides."""

    name: ClassVar[str] = "ds_cnn"
    filters: int = Field(default=64, ge=1, le=1024)
    """Filters of the first convolution and of every block."""
    blocks: int = Field(default=4, ge=1, le=32)
    """Blocks of a depthwise and a 1x1 convolution."""
    first_kernel: int = Field(default=5, ge=1, le=9)
    """Sides of the first convolution's kernels."""

    def outputs(self, x: Tensor, head: Head) -> HeadOutputs:
        """Apply the layers between centred pixels and the end of the head."""
        x = blocks.rectified(
            blocks.convolved(x, self.filters, self.first_kernel, "conv_1", stride=2), "conv_1"
        )
        for number in range(1, self.blocks + 1):
            x = blocks.separable_block(x, self.filters, number)
        return blocks.ended(x, head)
