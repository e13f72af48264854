"""EfficientNet-Lite0: EfficientNet without gates and swish, which integers do not have.

github.com/tensorflow/tpu, models/official/efficientnet/lite; after Tan and Le, "EfficientNet:
rethinking model scaling for convolutional neural networks", 2019.
"""

from collections.abc import Sequence
from typing import ClassVar

from edgecv.models.architectures.inverted_residuals import InvertedResiduals, Stage


class EfficientnetLite0(InvertedResiduals):
    """EfficientNet-Lite0: inverted residual blocks of 3x3 and 5x5, small images too."""

    name: ClassVar[str] = "efficientnet_lite0"
    stages: ClassVar[Sequence[Stage]] = (
        Stage(16, expansion=1),
        Stage(24, 2, halves=True),
        Stage(40, 2, side=5, halves=True),
        Stage(80, 3, halves=True),
        Stage(112, 3, side=5),
        Stage(192, 4, side=5, halves=True),
        Stage(320),
    )
