"""The kernels of a model by the names of its layers."""

from typing import Any

from edgecv.models.kernels import kernels_of
from edgecv.models.tf import keras
from edgecv.techniques.rewrites.plain_layers import flatten


def test_layers_of_one_name_in_two_nested_models_are_both_found() -> None:
    """Two backbones of keras.applications: one of them was left whole by a pruning."""
    layers = keras.layers

    def nested(name: str, shared: Any) -> Any:
        inner = layers.Input((8, 8, 3))
        return keras.Model(inner, shared(layers.Conv2D(4, 3, name="conv")(inner)), name=name)

    image, shared = layers.Input((8, 8, 3)), layers.Conv2D(2, 1, name="shared")
    parts = [nested(name, shared)(image) for name in ("one", "other")]
    model = keras.Model(image, layers.Dense(2, name="logits")(layers.Concatenate()(parts)))
    names = ["conv", "shared", "other_conv", "logits"]
    assert list(kernels_of(model)) == names
    assert sorted(kernels_of(flatten(model))) == sorted(names)
