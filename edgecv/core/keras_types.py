"""The types of tf-keras and TensorFlow under one name each: nothing is imported for them.

mypy reads no stubs of these libraries, so the names are for readers; at run time they are ``Any``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tensorflow import Tensor
    from tf_keras import Model as KerasModel
    from tf_keras.layers import Layer as KerasLayer
else:
    KerasModel = KerasLayer = Tensor = Any

__all__ = ["KerasLayer", "KerasModel", "Tensor"]
