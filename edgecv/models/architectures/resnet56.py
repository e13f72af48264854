"""ResNet-56 for CIFAR, deeper than ResNet-20."""

from typing import ClassVar

from pydantic import Field

from edgecv.models.architectures.resnet8 import Resnet8


class Resnet56(Resnet8):
    """ResNet-56 for images of 32x32: three stacks of nine residual blocks."""

    name: ClassVar[str] = "resnet56"
    depth: int = Field(default=9, ge=1, le=32)
    """Residual blocks of a stack."""
