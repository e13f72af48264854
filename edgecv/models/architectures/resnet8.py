"""ResNet-8 of MLPerf Tiny's image classification, 78,666 parameters at 32x32x3 and ten classes.

github.com/mlcommons/tiny, benchmark/training/image_classification/keras_model.py; after He et al.,
"Deep residual learning for image recognition", 2016.
"""

from typing import ClassVar

from edgecv.core.data import Shape
from edgecv.core.keras_types import KerasModel, Tensor
from edgecv.core.plugins import Architecture, Head
from edgecv.models.architectures import blocks
from edgecv.models.tf import load_tensorflow

SMALLEST_SIDE = 8
FILTERS = (16, 32, 64)


class Resnet8(Architecture):
    """ResNet-8 of MLPerf Tiny: three residual stacks of 16, 32 and 64 filters."""

    name: ClassVar[str] = "resnet8"

    def build(self, input_shape: Shape, head: Head) -> KerasModel:
        """Build the untrained network: float32 (N, H, W, C), 0..255."""
        blocks.check_size(self.name, input_shape, SMALLEST_SIDE)
        _, keras = load_tensorflow()
        image = keras.layers.Input(input_shape, name="image")
        x = blocks.rectified(
            blocks.convolved(blocks.rescaled(image), FILTERS[0], 3, "conv_1"), "conv_1"
        )
        for number, filters in enumerate(FILTERS, start=1):
            x = _stack(x, filters, f"stack_{number}", halves=number > 1)
        x = blocks.ended(x, head, kernel_initializer="he_normal")
        return keras.Model(image, x, name=self.name)


def _stack(x: Tensor, filters: int, name: str, *, halves: bool) -> Tensor:
    """Return a residual stack: two convolutions, added to their input."""
    _, keras = load_tensorflow()
    stride = 2 if halves else 1
    y = blocks.convolved(x, filters, 3, f"{name}_conv_1", stride=stride)
    y = blocks.convolved(blocks.rectified(y, f"{name}_conv_1"), filters, 3, f"{name}_conv_2")
    if halves:
        x = blocks.convolved(x, filters, 1, f"{name}_shortcut", stride=stride, normalized=False)
    return blocks.rectified(keras.layers.Add(name=f"{name}_add")([x, y]), name)
