"""Small networks of the families that people train, written as their tutorials write them."""

from typing import Any

from edgecv.models.tf import load_tensorflow

SIDE, CLASSES = 16, 4


class Builder:
    """The layers of tf-keras, and the blocks of which networks are made."""

    def __init__(self) -> None:
        _, self.keras = load_tensorflow()
        self.layers = self.keras.layers

    def start(self) -> tuple[Any, Any]:
        image = self.layers.Input((SIDE, SIDE, 3))
        return image, self.layers.Rescaling(1 / 127.5, offset=-1.0)(image)

    def convolved(self, x: Any, filters: int, size: int, stride: int = 1, **given: Any) -> Any:
        """Return a convolution, its normalization and its activation."""
        activation = given.pop("activation", "relu")
        x = self.layers.Conv2D(
            filters, size, stride, padding=given.get("padding", "same"), use_bias=False
        )(x)
        x = self.layers.BatchNormalization()(x)
        return self.layers.Activation(activation)(x) if activation else x

    def head(self, image: Any, x: Any) -> Any:
        x = self.layers.Dropout(0.2)(self.layers.GlobalAveragePooling2D()(x))
        x = self.layers.Dense(CLASSES)(x)
        return self.keras.Model(image, self.layers.Softmax()(x))

    def hard_sigmoid(self, x: Any) -> Any:
        return self.layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)

    def hard_swish(self, x: Any) -> Any:
        return self.layers.Multiply()([x, self.hard_sigmoid(x)])

    def squeezenet(self) -> Any:
        layers, (image, x) = self.layers, self.start()
        x = layers.Conv2D(8, 3, 2, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(3, 2)(x)
        for squeezed, expanded in ((4, 8), (6, 12)):
            x = layers.Conv2D(squeezed, 1, activation="relu")(x)
            wide = layers.Conv2D(expanded, 3, padding="same", activation="relu")(x)
            x = layers.Concatenate()([layers.Conv2D(expanded, 1, activation="relu")(x), wide])
        x = layers.Conv2D(CLASSES, 1)(layers.Dropout(0.3)(x))
        return self.keras.Model(image, layers.Softmax()(layers.GlobalAveragePooling2D()(x)))

    def inception(self) -> Any:
        layers, (image, x) = self.layers, self.start()
        x = self.convolved(x, 8, 3, 2)
        branches = [
            self.convolved(x, 6, 1),
            self.convolved(self.convolved(x, 6, 1), 6, 3),
            self.convolved(self.convolved(x, 6, 1), 6, 5, activation="tanh"),
            self.convolved(layers.AveragePooling2D(3, 1, padding="same")(x), 6, 1),
        ]
        x = layers.concatenate(branches)
        reduced = self.convolved(x, 8, 3, 2, padding="valid")
        return self.head(image, layers.concatenate([reduced, layers.MaxPooling2D(3, 2)(x)]))

    def densenet(self) -> Any:
        layers, (image, x) = self.layers, self.start()
        x = self.convolved(x, 8, 3, 2)
        for _ in range(2):
            y = layers.Activation("relu")(layers.BatchNormalization()(x))
            y = layers.Conv2D(6, 3, padding="same", use_bias=False)(self.convolved(y, 12, 1))
            x = layers.Concatenate()([x, y])
        x = layers.Conv2D(8, 1)(layers.Activation("relu")(layers.BatchNormalization()(x)))
        return self.head(image, layers.AveragePooling2D(2)(x))

    def mobilenet_v2(self) -> Any:
        layers, (image, x) = self.layers, self.start()
        x = layers.ReLU(6.0)(self.convolved(x, 8, 3, 2, activation=None))
        for channels, stride in ((8, 1), (12, 2)):
            y = layers.ReLU(6.0)(self.convolved(x, 24, 1, activation=None))
            if stride == 2:
                y = layers.ZeroPadding2D(((0, 1), (0, 1)))(y)
            padding = "valid" if stride == 2 else "same"
            y = layers.DepthwiseConv2D(3, stride, padding=padding, use_bias=False)(y)
            y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
            y = self.convolved(y, channels, 1, activation=None)
            x = layers.Add()([x, y]) if stride == 1 else y
        return self.head(image, x)

    def mobilenet_v3(self) -> Any:
        layers, (image, x) = self.layers, self.start()
        x = self.hard_swish(self.convolved(x, 8, 3, 2, activation=None))
        y = self.hard_swish(self.convolved(x, 16, 1, activation=None))
        y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y)
        y = self.hard_swish(layers.BatchNormalization()(y))
        gate = layers.GlobalAveragePooling2D(keepdims=True)(y)
        gate = layers.Conv2D(8, 1, activation="relu")(gate)
        y = layers.Multiply()([y, self.hard_sigmoid(layers.Conv2D(16, 1)(gate))])
        x = layers.Add()([x, self.convolved(y, 8, 1, activation=None)])
        x = layers.GlobalAveragePooling2D(keepdims=True)(x)
        x = self.hard_swish(layers.Conv2D(16, 1)(x))
        x = layers.Flatten()(layers.Conv2D(CLASSES, 1)(x))
        return self.keras.Model(image, layers.Softmax()(x))

    def efficientnet(self) -> Any:
        layers, (image, x) = self.layers, self.start()
        x = self.convolved(x, 8, 3, 2, activation="swish")
        y = self.convolved(x, 16, 1, activation="swish")
        y = layers.DepthwiseConv2D(5, padding="same", use_bias=False)(y)
        y = layers.Activation("swish")(layers.BatchNormalization()(y))
        gate = layers.Reshape((1, 1, 16))(layers.GlobalAveragePooling2D()(y))
        gate = layers.Conv2D(2, 1, activation="swish")(gate)
        y = layers.multiply([y, layers.Conv2D(16, 1, activation="sigmoid")(gate)])
        y = layers.Dropout(0.1, noise_shape=(None, 1, 1, 1))(
            self.convolved(y, 8, 1, activation=None)
        )
        return self.head(image, self.convolved(layers.add([y, x]), 16, 1, activation="swish"))

    def unet(self) -> Any:
        layers, (image, x) = self.layers, self.start()
        large = self.convolved(x, 6, 3)
        middle = self.convolved(layers.MaxPooling2D()(large), 8, 3)
        small = self.convolved(layers.MaxPooling2D()(middle), 12, 3)
        x = layers.Conv2DTranspose(8, 2, 2, padding="same")(small)
        x = self.convolved(layers.Concatenate()([x, middle]), 8, 3)
        x = layers.UpSampling2D(2, interpolation="bilinear")(x)
        return self.head(image, self.convolved(layers.Concatenate()([x, large]), 6, 3))

    def resnet(self) -> Any:
        layers, (image, x) = self.layers, self.start()
        x = self.convolved(x, 8, 3)
        for filters, stride in ((8, 1), (12, 2)):
            y = self.convolved(x, filters, 3, stride)
            y = self.convolved(y, filters, 3, activation=None)
            if stride != 1:
                x = self.convolved(x, filters, 1, stride, activation=None)
            x = layers.Activation("relu")(layers.Add()([x, y]))
        return self.head(image, x)


NETWORKS = (
    "squeezenet inception densenet mobilenet_v2 mobilenet_v3 efficientnet unet resnet".split()
)


def network(name: str) -> Any:
    """Return a network whose normalizations differ from channel to channel, as trained ones do."""
    import numpy as np

    builder = Builder()
    builder.keras.utils.set_random_seed(3)
    model = getattr(builder, name)()
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, builder.layers.BatchNormalization):
            channels = layer.gamma.shape[0]
            layer.set_weights(
                [
                    random.uniform(0.5, 1.5, channels),
                    random.normal(0, 0.3, channels),
                    random.normal(0, 0.1, channels),
                    random.uniform(0.1, 0.4, channels),
                ]
            )
    return model
