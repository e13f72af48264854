"""The promise of a removal, for every kind of layer: the narrower model says the same."""

from collections.abc import Callable
from typing import Any

import pytest
from removals import Body, check_each_removal, model_of, photographs

from edgecv.models.channels.trace import trace
from edgecv.models.tf import load_tensorflow

BODIES: dict[str, tuple[Body, set[str]]] = {}


def body(*narrower: str) -> Callable[[Body], Body]:
    """Register what stands between the first layer and the logits, and what must get narrower."""

    def register(function: Body) -> Body:
        BODIES[function.__name__] = (function, set(narrower))
        return function

    return register


@body("first", "grouped", "after")
def groups_that_are_tied(layers: Any, x: Any) -> Any:
    x = layers.Conv2D(12, 3, groups=4, padding="same", activation="relu", name="grouped")(x)
    return layers.Conv2D(5, 1, name="after")(x)


@body("first", "grouped", "after")
def groups_of_one_channel(layers: Any, x: Any) -> Any:
    x = layers.Conv2D(16, 3, groups=8, activation="relu", name="grouped")(x)
    return layers.Conv2D(5, 1, name="after")(x)


@body("first", "grouped")
def groups_of_one_channel_after_a_multiplier(layers: Any, x: Any) -> Any:
    x = layers.DepthwiseConv2D(3, depth_multiplier=2)(x)
    return layers.Conv2D(16, 3, groups=16, activation="relu", name="grouped")(x)


@body("first", "after")
def depthwise_with_a_multiplier(layers: Any, x: Any) -> Any:
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu")(x)
    x = layers.BatchNormalization()(x)
    return layers.Conv2D(6, 3, activation="relu", name="after")(x)


@body("first", "separable", "after")
def separable(layers: Any, x: Any) -> Any:
    x = layers.SeparableConv2D(10, 3, depth_multiplier=2, activation="swish", name="separable")(x)
    return layers.Conv2D(4, 1, name="after")(x)


@body("first", "transposed", "after")
def transposed(layers: Any, x: Any) -> Any:
    x = layers.Conv2DTranspose(6, 3, strides=2, padding="same", name="transposed")(x)
    x = layers.ReLU(6.0)(x)
    return layers.Conv2D(4, 3, strides=2, name="after")(x)


@body("first", "squeeze", "excite")
def squeeze_and_excite(layers: Any, x: Any) -> Any:
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(4, 1, activation="swish", name="squeeze")(gate)
    gate = layers.Conv2D(8, 1, activation="sigmoid", name="excite")(gate)
    return layers.Multiply()([x, gate])


@body("first", "squeeze", "excite", "after")
def squeeze_and_excite_with_dense_layers(layers: Any, x: Any) -> Any:
    gate = layers.GlobalAveragePooling2D()(x)
    gate = layers.Dense(4, activation="relu", name="squeeze")(gate)
    gate = layers.Dense(8, activation="sigmoid", name="excite")(gate)
    x = layers.Multiply()([layers.Reshape((1, 1, 8))(gate), x])
    return layers.Conv2D(4, 3, name="after")(x)


@body("first", "after")
def spatial_gate_of_one_channel(layers: Any, x: Any) -> Any:
    gate = layers.Conv2D(1, 3, padding="same", activation="sigmoid", name="gate")(x)
    return layers.Conv2D(4, 3, name="after")(layers.Multiply()([x, gate]))


@body("first", "conv")
def prelu_of_a_slope_a_channel(layers: Any, x: Any) -> Any:
    return layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(6, 3, name="conv")(x))


@body("first", "conv")
def prelu_of_a_slope_an_element(layers: Any, x: Any) -> Any:
    return layers.PReLU()(layers.Conv2D(6, 3, name="conv")(x))


@body("first", "conv")
def prelu_of_one_slope(layers: Any, x: Any) -> Any:
    return layers.PReLU(shared_axes=[1, 2, 3])(layers.Conv2D(6, 3, name="conv")(x))


@body("first", "grow_0", "grow_1", "grow_2", "after")
def dense_block(layers: Any, x: Any) -> Any:
    for number in range(3):
        y = layers.ReLU()(layers.BatchNormalization()(x))
        y = layers.Conv2D(4, 3, padding="same", name=f"grow_{number}")(y)
        x = layers.Concatenate()([x, y])
    return layers.Conv2D(6, 1, activation="relu", name="after")(x)


@body("first", "in_1", "out_1", "down", "in_2", "out_2")
def residual_across_stages(layers: Any, x: Any) -> Any:
    y = layers.Conv2D(6, 3, padding="same", activation="relu", name="in_1")(x)
    x = layers.Add()([x, layers.Conv2D(8, 3, padding="same", name="out_1")(y)])
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Conv2D(12, 1, strides=2, name="down")(x)
    y = layers.Conv2D(6, 3, padding="same", activation="relu", name="in_2")(x)
    x = layers.Add()([x, layers.Conv2D(12, 3, padding="same", name="out_2")(y)])
    return layers.ReLU()(x)


@body("first", "a", "b", "c", "d", "e")
def average_maximum_minimum_subtract(layers: Any, x: Any) -> Any:
    a, b, c, d, e = (layers.Conv2D(8, 3, padding="same", name=name)(x) for name in "abcde")
    x = layers.Average()([layers.Maximum()([a, b, x]), c])
    return layers.Minimum()([layers.Subtract()([x, d]), layers.ReLU()(e)])


@body("first", "a", "b", "shared", "after")
def shared_by_two_branches(layers: Any, x: Any) -> Any:
    shared = layers.Conv2D(6, 3, activation="relu", name="shared")
    norm = layers.BatchNormalization()
    a, b = (layers.Conv2D(7, 1, activation="relu", name=name)(x) for name in "ab")
    x = layers.Concatenate()([norm(shared(a)), norm(shared(b))])
    return layers.Conv2D(4, 3, name="after")(x)


@body("first", "a", "b", "after")
def reshape_shared_by_two_branches(layers: Any, x: Any) -> Any:
    shared = layers.Reshape((64, 6))
    a, b = (layers.Conv2D(6, 1, activation="relu", name=name)(x) for name in "ab")
    x = layers.Concatenate()([shared(a), shared(b)])
    return layers.Conv1D(4, 3, name="after")(x)


@body("first", "nested/inner")
def nested_sequential_used_twice(layers: Any, x: Any) -> Any:
    _, keras = load_tensorflow()
    nested = keras.Sequential(
        [
            layers.InputLayer((8, 8, 8)),
            layers.Conv2D(8, 3, padding="same", name="inner"),
            layers.BatchNormalization(),
            layers.ReLU(),
        ],
        name="nested",
    )
    return nested(nested(x))


@body("first", "nested/inner", "nested/last", "after")
def nested_sequential_of_a_first_layer_with_a_shape(layers: Any, x: Any) -> Any:
    _, keras = load_tensorflow()
    nested = keras.Sequential(
        [
            layers.Conv2D(6, 3, activation="relu", input_shape=(8, 8, 8), name="inner"),
            layers.Conv2D(5, 3, activation="relu", name="last"),
        ],
        name="nested",
    )
    return layers.Conv2D(4, 1, name="after")(nested(x))


@body("first", "nested/inner", "after")
def nested_sequential_that_was_given_no_shape(layers: Any, x: Any) -> Any:
    _, keras = load_tensorflow()
    nested = keras.Sequential(
        [layers.Conv2D(6, 3, name="inner"), layers.BatchNormalization()], name="nested"
    )
    return layers.Conv2D(4, 1, name="after")(nested(x))


@body("first", "outer/before", "outer/inner/a", "outer/inner/b", "outer/last")
def nested_functional_in_a_nested_one(layers: Any, x: Any) -> Any:
    _, keras = load_tensorflow()
    entering = layers.Input((8, 8, 6))
    a = layers.Conv2D(5, 1, activation="relu", name="a")(entering)
    b = layers.Conv2D(6, 3, padding="same", name="b")(a)
    inner = keras.Model(entering, layers.Add()([entering, b]), name="inner")
    entering = layers.Input((8, 8, 8))
    y = layers.Conv2D(6, 3, padding="same", activation="relu", name="before")(entering)
    y = layers.ReLU()(inner(inner(y)))
    y = layers.Conv2D(8, 1, name="last")(y)
    outer = keras.Model(entering, y, name="outer")
    return layers.Add()([outer(x), x])


@pytest.mark.parametrize("order", [1, -1], ids=["in order", "turned round"])
def test_nested_model_of_two_inputs(order: int) -> None:
    def two_inputs(layers: Any, x: Any) -> Any:
        _, keras = load_tensorflow()
        narrow, wide = layers.Input((8, 8, 5)), layers.Input((8, 8, 7))
        y = layers.Concatenate()([layers.Conv2D(4, 3, name="inner")(narrow), wide_part(wide)])
        nested = keras.Model([narrow, wide][::order], y, name="nested")
        entering = [layers.Conv2D(5, 1, name="a")(x), layers.Conv2D(7, 1, name="b")(x)]
        return layers.Conv2D(4, 1, name="after")(nested(entering[::order]))

    def wide_part(wide: Any) -> Any:
        _, keras = load_tensorflow()
        return keras.layers.Conv2D(6, 3, name="wide")(wide)

    check_body(two_inputs, {"first", "a", "b", "nested/inner", "nested/wide", "after"})


@body("first", "dense")
def flatten_and_dense(layers: Any, x: Any) -> Any:
    x = layers.Flatten()(layers.MaxPooling2D(3, 2, padding="same")(x))
    return layers.Dense(10, activation="gelu", name="dense")(x)


@body("first", "after")
def flatten_and_reshape_back(layers: Any, x: Any) -> Any:
    x = layers.Dropout(0.5)(layers.Flatten()(x))
    return layers.Conv2D(5, 3, activation="relu", name="after")(layers.Reshape((8, 8, 8))(x))


@body("first", "after")
def rows_laid_side_by_side_on_the_channels(layers: Any, x: Any) -> Any:
    return layers.Conv1D(5, 3, activation="relu", name="after")(layers.Reshape((8, -1))(x))


@body("first", "dense")
def global_average_pooling(layers: Any, x: Any) -> Any:
    x = layers.GlobalAveragePooling2D(keepdims=False)(x)
    return layers.Dense(6, activation="elu", name="dense")(x)


@body("first", "after")
def global_average_pooling_that_keeps_its_axes(layers: Any, x: Any) -> Any:
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    return layers.Conv2D(6, 1, activation="elu", name="after")(x)


@body("first")
def zero_padding_around_what_is_not_zero(layers: Any, x: Any) -> Any:
    # Without its padding, a removed channel would leave nothing here; with it, a frame of -1.
    x = layers.Conv2D(6, 1, activation="sigmoid", name="squashed")(x)
    return layers.Rescaling(2.0, offset=-1.0)(layers.ZeroPadding2D(1)(x))


@body("first", "squashed", "after")
def sigmoid_brought_back_to_zero(layers: Any, x: Any) -> Any:
    x = layers.Conv2D(6, 1, activation="sigmoid", name="squashed")(x)
    x = layers.Rescaling(2.0, offset=-1.0)(x)
    return layers.Conv2D(4, 3, padding="same", name="after")(x)


@body("first", "conv", "after")
def zero_padding_around_zero(layers: Any, x: Any) -> Any:
    x = layers.ZeroPadding2D(((0, 1), (2, 1)))(
        layers.Conv2D(6, 1, activation="tanh", name="conv")(x)
    )
    return layers.Conv2D(4, 3, name="after")(x)


@body("first", "conv", "after")
def up_sampling_and_cropping(layers: Any, x: Any) -> Any:
    x = layers.UpSampling2D(2, interpolation="bilinear")(layers.Conv2D(6, 3, name="conv")(x))
    return layers.Conv2D(4, 3, strides=2, name="after")(layers.Cropping2D(1)(x))


@body("first", "along")
def convolution_along_one_axis(layers: Any, x: Any) -> Any:
    x = layers.Reshape((64, 8))(layers.Permute((2, 1, 3))(x))
    return layers.Conv1D(6, 3, strides=4, activation="relu", name="along")(x)


@body("first", "conv", "after")
def batch_normalization_without_a_scale(layers: Any, x: Any) -> Any:
    x = layers.BatchNormalization(scale=False)(layers.Conv2D(6, 3, name="conv")(x))
    return layers.Conv2D(4, 1, name="after")(x)


@body("first", "conv", "after")
def batch_normalization_without_a_centre(layers: Any, x: Any) -> Any:
    x = layers.BatchNormalization(center=False)(layers.Conv2D(6, 3, name="conv")(x))
    return layers.Conv2D(4, 1, name="after")(x)


@body("first")
def batch_normalization_of_what_is_not_zero(layers: Any, x: Any) -> Any:
    # Were 0.5 to come out as it went in, a removed channel would leave nothing at the end.
    x = layers.Conv2D(6, 3, activation="sigmoid", name="conv")(x)
    return layers.Rescaling(2.0, offset=-1.0)(layers.BatchNormalization(scale=False)(x))


@body("first", "dense", "after")
def dense_on_each_position(layers: Any, x: Any) -> Any:
    x = layers.Dense(6, activation="relu", name="dense")(layers.Reshape((64, 8))(x))
    return layers.Dense(4, activation="relu", name="after")(x)


@body("first", "a", "b", "after")
def concatenation_of_rows(layers: Any, x: Any) -> Any:
    a, b = (layers.Conv2D(6, 3, padding="same", name=name)(x) for name in "ab")
    x = layers.Concatenate(axis=1)([a, layers.ReLU()(b)])
    return layers.Conv2D(4, 3, name="after")(x)


def check_body(function: Body, narrower: set[str]) -> None:
    model = model_of(function)
    assert {maker for width in trace(model).widths for maker in width.makers} == narrower
    check_each_removal(model, photographs())


@pytest.mark.parametrize("name", BODIES)
def test_every_kind_of_layer(name: str) -> None:
    check_body(*BODIES[name])
