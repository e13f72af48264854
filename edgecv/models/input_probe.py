"""The values that reach the first layers of a Keras model, nested ones too."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.input_evidence import NormalizationInput, Values
from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.models.tf import keras, tensorflow


class _Reached(BaseException):
    """Ends a run at the first wanted layer. Keras rewrites every Exception of a layer."""

    def __init__(self, layer: KerasLayer, taken: Any) -> None:
        super().__init__()
        self.layer, self.taken = layer, taken


class KerasProbe:
    """A tf-keras model that is run up to one of its first layers."""

    def __init__(self, model: KerasModel) -> None:
        self._model = model

    def first_weights(self, values: Values) -> NDArray[np.float64] | None:
        """Return the input of the first layer with weights of its own: (N, ...) -> (N, ...)."""
        scalings = (keras.layers.Rescaling, keras.layers.Normalization)
        found = self._run(values, lambda layer: layer.weights and not isinstance(layer, scalings))
        if found is None:
            return None
        if (graph := getattr(found.layer, "probe", None)) is not None:
            return _array(graph().first_weights(found.taken.numpy()))
        return _array(found.taken)

    def first_normalization(self, values: Values) -> NormalizationInput | None:
        """Return the input of the first normalization with statistics of the training data."""
        kinds = (keras.layers.BatchNormalization, keras.layers.Normalization)
        found = self._run(values, lambda layer: isinstance(layer, kinds) or hasattr(layer, "probe"))
        if found is None:
            return None
        layer, taken = found.layer, found.taken
        if hasattr(layer, "probe"):
            reached: NormalizationInput | None = layer.probe().first_normalization(taken.numpy())
            return reached
        axes = [axis % taken.shape.rank for axis in np.atleast_1d(layer.axis)]
        if axes != [taken.shape.rank - 1]:
            return None
        if isinstance(layer, keras.layers.BatchNormalization):
            mean, variance = layer.moving_mean, layer.moving_variance + layer.epsilon
        else:
            mean, variance = layer.mean, layer.variance
        width = int(taken.shape[-1])
        return NormalizationInput(
            np.asarray(taken).reshape(-1, width).astype(np.float64),
            np.asarray(mean).astype(np.float64).ravel(),
            np.asarray(variance).astype(np.float64).ravel(),
        )

    def _run(self, values: Values, is_wanted: Callable[[Any], Any]) -> _Reached | None:
        """Run the model until the first layer that is wanted takes its input."""
        layers = [
            layer
            for layer in self._model._flatten_layers(include_self=False)
            if not isinstance(layer, keras.Model) and is_wanted(layer)
        ]
        with _stopping(layers):
            try:
                self._model(tensorflow.constant(values, tensorflow.float32), training=False)
            except _Reached as reached:
                return reached
        return None


@contextmanager
def _stopping(layers: Sequence[Any]) -> Iterator[None]:
    """Let each of some layers end the run with its input, for as long as this is open."""

    def stop_at(layer: Any) -> Callable[..., Any]:
        def call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
            raise _Reached(layer, inputs)

        return call

    for layer in layers:
        layer.call = stop_at(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.call


def _array(taken: Any) -> NDArray[np.float64] | None:
    if taken is None or isinstance(taken, list | tuple):
        return None
    return np.asarray(taken).astype(np.float64)
