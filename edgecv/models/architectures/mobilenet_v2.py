"""MobileNetV2: Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018."""

from collections.abc import Sequence
from typing import ClassVar

from edgecv.models.architectures.inverted_residuals import InvertedResiduals, Stage


class MobilenetV2(InvertedResiduals):
    """MobileNetV2: inverted residual blocks with relu6, small images too."""

    name: ClassVar[str] = "mobilenet_v2"
    stages: ClassVar[Sequence[Stage]] = (
        Stage(16, expansion=1),
        Stage(24, 2, halves=True),
        Stage(32, 3, halves=True),
        Stage(64, 4, halves=True),
        Stage(96, 3),
        Stage(160, 3, halves=True),
        Stage(320),
    )
