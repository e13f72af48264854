"""The part of depth that trains: its last layers, its losses, and depths that are moved."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Dataset, Targets
from edgecv.core.plugins import Curves, Head, Move, Task
from edgecv.evaluation.tasks.regression.numbers_head import scaled
from edgecv.models.tf import keras, tensorflow

SMALLEST = 1e-12


class TrainedDepth(Task):
    """Depth as a training needs it."""

    def head(self, data: Dataset) -> Head:
        """Return a 1x1 convolution that gives the unit of the training depths."""
        known = known_pixels(data.train.labels)
        depths = data.train.labels[known].astype(np.float64)
        return DepthHead(float(depths.mean()), float(depths.std()) or 1.0)

    def targets(self, labels: Targets) -> Targets:
        """Return depths, and 1 where they are known: float32 (N, H, W, 2)."""
        return np.stack([labels, known_pixels(labels)], axis=-1).astype(np.float32)

    curves: ClassVar[Curves] = Curves(
        score="closeness",
        score_axis="minus the mean relative error",
        loss="absolute error",
    )

    def loss(self, targets: Any, raw: Any) -> Any:
        """Absolute error over the mean depth of the batch: (N, H, W, 2), (N, h, w, 1) -> (N,)."""
        depths, known = targets[..., 0], targets[..., 1]
        mean = tensorflow.reduce_sum(depths * known) / (tensorflow.reduce_sum(known) + SMALLEST)
        return _mean(tensorflow.abs(_sized(raw, targets) - depths) / (mean + SMALLEST), known)

    def imitation_loss(self, teacher: Any, raw: Any, temperature: float) -> Any:
        """Mean difference, over the teacher's mean depth: (N, h, w, 1), (N, h, w, 1) -> (N,)."""
        mean = tensorflow.reduce_mean(tensorflow.abs(teacher)) + SMALLEST
        return tensorflow.reduce_mean(tensorflow.abs(raw - teacher) / mean, axis=(1, 2, 3))

    @property
    def can_crop(self) -> bool:
        """False: a part of an image that is enlarged looks nearer than it is."""
        return False

    def moved(self, targets: Any, move: Move) -> Any:
        """Return depths that were moved as their images: (N, H, W, 2)."""
        return move.pixels(targets)

    def training_score(self, targets: Any, raw: Any) -> Any:
        """Return minus the mean relative error: (N, H, W, 2), (N, h, w, 1) -> (N,)."""
        depths, known = targets[..., 0], targets[..., 1]
        far = tensorflow.abs(_sized(raw, targets) - depths)
        return -_mean(far / tensorflow.maximum(depths, SMALLEST), known)


def known_pixels(depths: Targets) -> NDArray[np.bool_]:
    """Return True for each pixel whose depth is known."""
    known: NDArray[np.bool_] = depths > 0
    return known


def _sized(raw: Any, targets: Any) -> Any:
    """Return raw maps of the size of the targets: (N, h, w, 1) -> (N, H, W)."""
    size = targets.shape[1:3]
    return (raw if raw.shape[1:3] == size else tensorflow.image.resize(raw, size))[..., 0]


def _mean(values: Any, known: Any) -> Any:
    """Return the mean over the known pixels of each image: (N, H, W), (N, H, W) -> (N,)."""
    counts = tensorflow.maximum(1.0, tensorflow.reduce_sum(known, axis=(1, 2)))
    return tensorflow.reduce_sum(values * known, axis=(1, 2)) / counts


class DepthHead:
    """The last layers of a network of depths: float32 (N, H, W, F) -> (N, H, W, 1)."""

    def __init__(self, mean: float, scale: float) -> None:
        self.mean = mean
        self.scale = scale

    def __call__(self, **options: Any) -> Sequence[Any]:
        """Return a 1x1 convolution with ``options``, and the scale of the training depths."""
        dense = keras.layers.Conv2D(1, 1, name="scaled_depth", **options)
        return [dense, scaled("depth", self.mean, self.scale)]
