"""MobileNetV1 of MLPerf Tiny's visual wake words, for small images too.

github.com/mlcommons/tiny, benchmark/training/visual_wake_words/vww_model.py; after Howard et al.,
"MobileNets: efficient convolutional neural networks for mobile vision applications", 2017. At
96x96x3, a width of 0.25 and two classes it has the 221,794 parameters of the benchmark.
"""

from typing import ClassVar

from pydantic import Field

from edgecv.core.keras_types import Tensor
from edgecv.core.plugins import Head
from edgecv.models.architectures import blocks
from edgecv.models.architectures.blocks import HeadOutputs

FIRST_FILTERS = 32
BEFORE, LONGEST, AFTER = (64, 128, 128, 256, 256, 512), 512, (1024, 1024)
"""Filters of the blocks at width 1: those before the longest stage, in it and after it."""
HALVING = (0, 2, 4, 6)
"""The layers that halve the sides in the paper: the first convolution, 0, and these blocks. The
first block after the longest stage does so too."""


class MobilenetV1(blocks.BlockNetwork):
    """MobileNetV1 with relu: depthwise and 1x1 convolutions in thirteen blocks.

    The paper halves the sides five times. Here the first of these are left out where less than 3x3
    places would be left for the last blocks: none from 96x96 on; at 32x32 those of the first
    convolution and of block 2, so that the last blocks see 4x4.
    """

    name: ClassVar[str] = "mobilenet_v1"
    smallest_side: ClassVar[int] = 12
    width: float = Field(default=0.25, gt=0, le=4)
    """The factor on the number of filters of every layer."""
    depth: int = Field(default=5, ge=0, le=32)
    """Blocks in the longest stage, all of one size."""

    def outputs(self, x: Tensor, head: Head) -> HeadOutputs:
        """Apply the layers between centred pixels and the end of the head."""
        first_after = len(BEFORE) + self.depth + 1
        halving = blocks.last_halvings((*HALVING, first_after), min(x.shape[1:3]))
        first = self._filters(FIRST_FILTERS)
        x = blocks.convolved(x, first, 3, "conv_1", stride=2 if 0 in halving else 1)
        x = blocks.rectified(x, "conv_1")
        for number, filters in enumerate((*BEFORE, *[LONGEST] * self.depth, *AFTER), start=1):
            stride = 2 if number in halving else 1
            x = blocks.separable_block(x, self._filters(filters), number, stride=stride)
        return blocks.ended(x, head)

    def _filters(self, at_width_1: int) -> int:
        return max(1, round(at_width_1 * self.width))
