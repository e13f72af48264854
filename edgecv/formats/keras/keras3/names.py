"""Names of layers that tf-keras takes: near those of Keras 3, and each once in a model."""

import re
from collections.abc import Iterable


class Names:
    """The names of one model's layers. ``wanted``: the names of Keras 3, which come first."""

    def __init__(self, wanted: Iterable[str]) -> None:
        self._taken: set[str] = set()
        self._names = {name: self.free(name) for name in wanted}

    def of(self, name: str) -> str:
        """Return the tf-keras name of the layer that has this name in Keras 3.

        >>> Names(["my conv", "my_conv"]).of("my_conv")
        'my_conv_1'
        """
        return self._names[name]

    def free(self, wanted: str) -> str:
        """Return a valid name near the wanted one, and take it."""
        name, number = valid_name(wanted), 0
        while name in self._taken:
            number += 1
            name = f"{valid_name(wanted)}_{number}"
        self._taken.add(name)
        return name


def valid_name(name: str) -> str:
    """Return a name that TensorFlow takes as a scope.

    >>> valid_name("my layer"), valid_name("_private")
    ('my_layer', 'layer_private')
    """
    name = re.sub(r"[^A-Za-z0-9_.\\-]", "_", name)[:200]
    return name if re.match(r"[A-Za-z0-9.]", name) else f"layer{name}"


def snake_case(kind: str) -> str:
    """Return a class name as Keras 3 names groups of weights and functions.

    >>> snake_case("ReLU"), snake_case("GlobalAveragePooling2D"), snake_case("Relu6")
    ('re_lu', 'global_average_pooling2d', 'relu6')
    """
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
