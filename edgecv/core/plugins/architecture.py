"""The contract of an architecture."""

from abc import abstractmethod

from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins.plugin import Plugin
from edgecv.core.records import Shape


class Architecture(Plugin):
    """A network that can be trained from nothing."""

    @abstractmethod
    def build(self, input_shape: Shape, num_classes: int) -> KerasModel:
        """Build an untrained tf-keras model.

        Input: float32 (N, H, W, C), 0..255; its first layer rescales. Output: float32
        (N, num_classes), probabilities; its last layer is a Softmax. Layers are named by the
        architecture, so that two builds give the same graph. Raises InputError where the shape is
        too small.
        """
