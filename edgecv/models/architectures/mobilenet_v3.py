"""MobileNetV3-Small: Howard et al., "Searching for MobileNetV3", 2019."""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from edgecv.models.architectures.inverted_residuals import InvertedResiduals, Stage

Gated = partial(Stage, side=5, is_swish=True, is_gated=True)


class MobilenetV3(InvertedResiduals):
    """MobileNetV3-Small: gates of channels and hard swish, small images too."""

    name: ClassVar[str] = "mobilenet_v3"
    first: ClassVar[int] = 16
    last: ClassVar[int] = 576
    has_swish_ends: ClassVar[bool] = True
    stages: ClassVar[Sequence[Stage]] = (
        Stage(16, expansion=1, is_gated=True, halves=True),
        Stage(24, expansion=4.5, halves=True),
        Stage(24, expansion=88 / 24),
        Gated(40, expansion=4, halves=True),
        Gated(40, 2),
        Gated(48, expansion=3),
        Gated(48, expansion=3),
        Gated(96, halves=True),
        Gated(96, 2),
    )
