"""The options of a plain stack: a number for each convolution."""

from typing import Any

import pytest

from edgecv.models.architectures.plain_cnn import PlainCnn
from edgecv.models.tf import keras


def head(**options: Any) -> list[Any]:
    return [keras.layers.Dense(3, name="logits"), keras.layers.Softmax()]


def shapes(network: PlainCnn, side: int = 32) -> list[tuple[int, ...]]:
    model = network.build((side, side, 3), head)
    return [each.output_shape[1:] for each in model.layers if each.name.endswith("_relu")]


def test_borders_strides_and_kernels_are_those_of_each_convolution() -> None:
    network = PlainCnn(filters=(4, 6, 8), strides=(2, 1, 2), kernels=(3, 5, 1), unpadded=(2, 3))
    assert shapes(network) == [(16, 16, 4), (12, 12, 6), (6, 6, 8)]


def test_the_smallest_images_pass_the_usual_stack() -> None:
    assert shapes(PlainCnn(), 8)[-1] == (1, 1, 64)


def test_a_residual_is_added_where_shapes_allow_it() -> None:
    stack = PlainCnn(filters=(4, 4, 4), strides=(1, 1, 1), kernels=(3, 3, 3), residual=True)
    model = stack.build((16, 16, 3), head)
    assert [each.name for each in model.layers if "add" in each.name] == ["conv_3_add"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"filters": (8, 8), "strides": (1,)}, "strides and kernels for all 2 convolutions"),
        ({"unpadded": (7,)}, "no number above 6 in unpadded"),
    ],
)
def test_options_that_do_not_fit_each_other_are_refused(
    options: dict[str, Any], found: str
) -> None:
    with pytest.raises(ValueError, match=found):
        PlainCnn(**options)
