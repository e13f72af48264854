"""Small TFLite models of every operator that the C target has, made by the converter."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from lite_converter import lite_converter

from edgecv.formats.tflite.four_bits import Editor
from edgecv.formats.tflite.tables import TFLiteTables

Branches = Callable[[Any], Sequence[Any]]


def convert(
    shape: tuple[int, ...], branches: Branches, precision: str = "int8", seed: int = 0
) -> bytes:
    """Return a model whose outputs are the branches of one input, at a precision."""
    import tf_keras

    tf_keras.utils.set_random_seed(seed)
    image = tf_keras.Input(shape, batch_size=1)
    return converted(tf_keras.Model(image, list(branches(image))), precision, seed)


def converted(model: Any, precision: str = "int8", seed: int = 0, scale: float = 1.0) -> bytes:
    """Return a model at a precision, calibrated by random numbers; weights of zeros vary."""
    import tensorflow as tf

    random = np.random.default_rng(seed)
    shape = model.input_shape[1:]
    model.set_weights(
        [
            values if values.any() else values + random.normal(size=values.shape) * 0.1
            for values in model.get_weights()
        ]
    )
    converter = lite_converter(model)
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        numbers = scale * random.normal(size=(40, 1, *shape)).astype(np.float32)
        converter.representative_dataset = lambda: ([each] for each in numbers)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    content: bytes = converter.convert()
    return content


def with_four_bits(content: bytes) -> bytes:
    """Return an int8 model whose convolutions and dense layers have weights of 4 bits."""
    tables = TFLiteTables(content, "model")
    editor = Editor(content, tables)
    axes = {"CONV_2D": 0, "FULLY_CONNECTED": 0, "DEPTHWISE_CONV_2D": 3}
    for operator in tables.operators:
        if operator.kind in axes and (kernel := operator.inputs[1]) is not None:
            editor.round(kernel, axes[operator.kind])
    return editor.content()


def convolutions(x: Any) -> list[Any]:
    """Strides, pads, dilation, groups, depth multipliers and transposed convolutions."""
    from tf_keras import layers

    plain = [
        layers.Conv2D(8, 3, 1, "same", activation="relu")(x),
        layers.Conv2D(5, (2, 3), 2, "valid", activation="relu6")(x),
        layers.Conv2D(16, 3, 1, "same", dilation_rate=2)(x),
        layers.Conv2D(13, 1)(x),
        layers.Conv2D(12, 3, 2, "same", groups=2)(x),
    ]
    depthwise = [
        layers.DepthwiseConv2D(3, 1, "same")(x),
        layers.DepthwiseConv2D((2, 3), 2, "valid", depth_multiplier=3, activation="relu")(x),
        layers.DepthwiseConv2D(3, 1, "same", dilation_rate=2, depth_multiplier=2)(x),
    ]
    transposed = [
        layers.Conv2DTranspose(12, 3, 2, "same")(x),
        layers.Conv2DTranspose(8, (4, 2), (3, 2), "valid")(x),
        layers.Conv2DTranspose(5, 3, 1, "same")(x),
    ]
    flat = layers.Flatten()(x)
    dense = [layers.Dense(10)(flat), layers.Dense(9, "relu", use_bias=False)(x)]
    return plain + depthwise + transposed + dense


def arithmetic(x: Any) -> list[Any]:
    """Arithmetic of equal and of repeated shapes, pools and means."""
    import tensorflow as tf
    from tf_keras import layers

    a = layers.Conv2D(x.shape[-1], 1)(x)
    row = np.linspace(-1, 1, x.shape[-1]).astype(np.float32)
    mean = tf.reduce_mean(a, [1, 2], keepdims=True)
    sums = [a + x, x - a, a * x, a + mean, mean - a, a * mean, a - row, tf.nn.relu(a + x)]
    chosen = [tf.maximum(a, x), tf.minimum(x, a), tf.maximum(a, 0.1)]
    pools = [
        pool(size, stride, pad)(x)
        for pool in (layers.MaxPool2D, layers.AveragePooling2D)
        for size, stride, pad in ((2, 2, "same"), ((3, 2), 1, "valid"), (3, 2, "same"))
    ]
    wide = layers.Conv2D(35, 1)(x)
    means = [tf.reduce_mean(wide, [1, 2], keepdims=True), tf.reduce_mean(wide, [1, 2])]
    return [*sums, *chosen, *pools, *means, tf.reduce_mean(x, 3), tf.reduce_mean(x, 1)]


def activations(x: Any) -> list[Any]:
    """Functions of one number, and softmax."""
    import tensorflow as tf
    from tf_keras import layers

    tables = [tf.sigmoid(x), tf.tanh(x), tf.nn.leaky_relu(x, 0.1), tf.nn.relu(x * 3.0)]
    swish = [x * tf.nn.relu6(x + 3.0) * (1 / 6.0), tf.nn.relu6(x * 4.0)]
    prelu = [layers.PReLU(shared_axes=[1, 2], alpha_initializer="random_uniform")(x)]
    return [*tables, *swish, *prelu, tf.nn.softmax(x), tf.nn.softmax(x * 20.0)]


def attention(x: Any) -> list[Any]:
    """Products of matrices that are computed, layer normalization, and GELU."""
    import tensorflow as tf

    a = tf.nn.relu(x * 2.0)
    mean = tf.reduce_mean(x, 3, keepdims=True)
    spread = tf.math.squared_difference(x, mean)
    variance = tf.reduce_mean(spread, 3, keepdims=True)
    products = [
        tf.matmul(x, a, transpose_b=True),
        tf.matmul(x, a, transpose_a=True),
        tf.matmul(tf.reshape(x, [1, x.shape[1], -1]), tf.reshape(a, [-1, x.shape[1]])),
        tf.matmul(a, x[:, :1], transpose_b=True),
    ]
    normalized = [spread, tf.math.rsqrt(variance + 0.01), (x - mean) * tf.math.rsqrt(variance + 1)]
    gelu = 0.5 * x * (1.0 + tf.math.erf(x * 0.70710678))
    return [*products, *normalized, gelu, tf.nn.gelu(x - 0.5, approximate=True)]


def moves(x: Any) -> list[Any]:
    """Pads, concatenations, slices, transpositions and resizes."""
    import tensorflow as tf
    from tf_keras import layers

    resize = tf.compat.v1.image
    relu, channels = tf.nn.relu(x), x.shape[-1]
    moved = [
        tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]]),
        tf.pad(x, [[0, 0], [0, 0], [0, 0], [1, 1]], constant_values=0.5),
        tf.concat([x, relu], -1),
        tf.concat([x, relu, x], 1),
        tf.transpose(x, [0, 3, 1, 2]),
        x[:, 1:, :-1:2, :],
        x[:, 0],
        x[:, :, :, 1:3],
        x[:, ::-1],
        tf.reshape(x, [1, -1, channels]),
        *tf.split(x, 2, axis=2),
        *tf.unstack(x[:, :3], axis=1),
        tf.stack([x[:, 2], relu[:, 0]], axis=2),
    ]
    resized = [
        layers.UpSampling2D(2)(x),
        layers.UpSampling2D((3, 2), interpolation="bilinear")(x),
        resize.resize_bilinear(x, (13, 17), align_corners=True),
        resize.resize_bilinear(x, (5, 3)),
        resize.resize_nearest_neighbor(x, (13, 17), align_corners=True),
    ]
    return moved + resized


def rearranged(x: Any) -> list[Any]:
    """Blocks of pixels as channels, which LiteRT's reference kernels have not for int8."""
    import tensorflow as tf
    from tf_keras import layers

    return [tf.nn.depth_to_space(layers.Conv2D(12, 1)(x), 2), tf.nn.space_to_depth(x[:, :6], 2)]


FAMILIES: dict[str, Branches] = {
    "convolutions": convolutions,
    "arithmetic": arithmetic,
    "activations": activations,
    "attention": attention,
    "moves": moves,
}
