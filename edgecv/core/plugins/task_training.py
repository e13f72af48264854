"""The part of a task for its network and the training of it, in TensorFlow."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from edgecv.core.data import Dataset, Outputs, Targets
from edgecv.core.keras_types import KerasModel, Tensor
from edgecv.core.plugins.plugin import Plugin
from edgecv.core.plugins.task_parts import Curves, Head, Move


class TrainedTask(Plugin):
    """The last layers of a task, its loss, and how training moves and scores its targets."""

    features: ClassVar[str] = "row"
    """Features that its head takes, as ``Architecture.features``."""
    blends: ClassVar[bool] = False
    """True if training may blend images, and hide parts of them: labels of a whole image."""
    has_one_class: ClassVar[bool] = False
    """True if the labels are the number of one class an image: int64 (N,)."""

    curves: ClassVar[Curves] = Curves()

    def check_trainable(self) -> None:
        """Raise InputError if nothing can be trained with this task."""

    @abstractmethod
    def head(self, data: Dataset) -> Head:
        """Return the last layers of an architecture for a data set."""

    @property
    def weighs_classes(self) -> bool:
        """True if training gives the images of some classes more weight."""
        return False

    @property
    def mirrors(self) -> bool:
        """True if training may mirror images, where the data allows it."""
        return True

    @property
    def largest_turn(self) -> float:
        """Degrees by which training may turn images: their targets go with them, up to that."""
        return 180.0

    @property
    def can_crop(self) -> bool:
        """True if the targets go with a part of an image that is enlarged."""
        return True

    @abstractmethod
    def targets(self, labels: Targets) -> Targets:
        """Return the targets of ``loss`` for labels of the data set: (N, ...) -> (N, ...)."""

    @abstractmethod
    def loss(self, targets: Tensor, raw: Tensor) -> Tensor:
        """Per-image training loss of raw outputs: TensorFlow (N, ...), (N, ...) -> (N,)."""

    @abstractmethod
    def imitation_loss(self, teacher: Tensor, raw: Tensor, temperature: float) -> Tensor:
        """Per-image loss of raw outputs against the teacher's: (N, ...), (N, ...) -> (N,)."""

    def moved(self, targets: Tensor, move: Move) -> Tensor:
        """Return a batch's targets after its images were moved: TensorFlow (N, ...).

        The class of an image does not move.
        """
        return targets

    @abstractmethod
    def training_score(self, targets: Tensor, raw: Tensor) -> Tensor:
        """Score of each image by its raw outputs: TensorFlow (N, ...), (N, ...) -> (N,)."""

    def separated(self, model: KerasModel) -> KerasModel:
        """Return the same function, with the last activation as a layer of its own."""
        return model

    def raw_model(self, model: KerasModel) -> KerasModel:
        """Return a model that shares all layers and gives raw outputs, as ``loss`` takes them.

        Raises StepError where the model does not end as ``separated`` models do.
        """
        return model

    def divergence(self, whole: Outputs, cut: Outputs) -> float:
        """Return the distance of a pruned model's outputs from the original's.

        0 where they are equal. Channel pruning ranks its cuts by it.
        """
        pairs = zip(whole.arrays.values(), cut.arrays.values(), strict=True)
        found = (np.mean((one.astype(np.float64) - other) ** 2) for one, other in pairs)
        return float(sum(found))
