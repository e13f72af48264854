"""The options of a plain stack: a number for each convolution."""

from typing import Any

import pytest

from edgecv.core.errors import InputError
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


@pytest.mark.quick
def test_stacks_that_leave_no_place_are_refused_and_others_are_not() -> None:
    """Keras' own error came out of the middle of the network: a traceback."""
    stack: dict[str, Any] = {"filters": (4, 6, 8), "strides": (2, 2, 1), "kernels": (3, 3, 3)}
    found = "of images of 8x9 a side of 1 is left for conv_3, which loses a border to its 3x3"
    with pytest.raises(InputError, match=found):
        PlainCnn(**stack, unpadded=(2, 3)).build((8, 9, 3), head)
    PlainCnn(**stack, unpadded=(2,)).check_shape((8, 8, 3))
    PlainCnn(**stack, unpadded=(1, 2, 3)).check_shape((18, 15, 3))
    with pytest.raises(InputError, match="conv_3"):
        PlainCnn(**stack, unpadded=(1, 2, 3)).check_shape((18, 14, 3))


def test_a_residual_is_added_where_shapes_allow_it() -> None:
    stack = PlainCnn(filters=(4, 4, 4), strides=(1, 1, 1), kernels=(3, 3, 3), residual=True)
    model = stack.build((16, 16, 3), head)
    assert [each.name for each in model.layers if "add" in each.name] == ["conv_3_add"]


def test_a_separable_convolution_keeps_strides_and_borders_and_has_fewer_weights() -> None:
    stack: dict[str, Any] = {"filters": (8, 16, 16), "strides": (1, 2, 1), "kernels": (3, 3, 5)}
    whole = PlainCnn(**stack, unpadded=(2,))
    parts = PlainCnn(**stack, unpadded=(2,), separable=(2, 3))
    assert shapes(whole, 16) == [(16, 16, 8), (7, 7, 16), (7, 7, 16)]
    assert shapes(parts, 16) == [(16, 16, 8), (7, 7, 8), (7, 7, 16), (7, 7, 16), (7, 7, 16)]
    counts = [each.build((16, 16, 3), head).count_params() for each in (whole, parts)]
    # 3x3 from 8 to 16 and 5x5 from 16 to 16; one bias and four of a norm more for each channel.
    assert counts[0] - counts[1] == (9 * 8 * 16 - 9 * 8 - 8 * 16 - 5 * 8) + (
        25 * 16 * 16 - 25 * 16 - 16 * 16 - 5 * 16
    )


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"filters": (8, 8), "strides": (1,)}, "strides and kernels for all 2 convolutions"),
        ({"unpadded": (7,)}, "no number above 6 in unpadded"),
        ({"separable": (9,)}, "no number above 6 in separable"),
        ({"separable": (6,)}, "no number of a 1x1 convolution in separable"),
    ],
)
def test_options_that_do_not_fit_each_other_are_refused(
    options: dict[str, Any], found: str
) -> None:
    with pytest.raises(ValueError, match=found):
        PlainCnn(**options)
