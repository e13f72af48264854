"""ResNet-20 for CIFAR: He et al., "Deep residual learning", 2016, section 4.2.

Where the paper has shortcuts without weights, it has 1x1 convolutions, as ResNet-8 has.
"""

from typing import ClassVar

from pydantic import Field

from edgecv.models.architectures.resnet8 import Resnet8


class Resnet20(Resnet8):
    """ResNet-20 for images of 32x32: three stacks of three residual blocks."""

    name: ClassVar[str] = "resnet20"
    depth: int = Field(default=3, ge=1, le=32)
    """Residual blocks of a stack."""
