"""The contract of an architecture."""

from abc import abstractmethod
from typing import ClassVar

from edgecv.core.data import Shape
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins.plugin import Plugin
from edgecv.core.plugins.task_parts import Head


class Architecture(Plugin):
    """A network that can be trained from nothing."""

    features: ClassVar[str] = "row"
    """Features that it gives to the head of a task: a "row" an image, float32 (N, F), or a "map",
    float32 (N, H, W, F)."""

    def check_shape(self, shape: Shape) -> None:
        """Raise InputError if images of this shape are too small: before any data is read."""

    @abstractmethod
    def build(self, input_shape: Shape, head: Head) -> KerasModel:
        """Build an untrained tf-keras model.

        Input: float32 (N, H, W, C), 0..255; its first layer rescales. Its last layers are those of
        the task's ``head``, which may end in several outputs. Layers are named by architecture and
        head, so that two builds give the same graph. Raises InputError where the shape is too
        small.
        """
