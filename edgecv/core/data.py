"""Images, targets and outputs as arrays, and the data set that holds them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecv.core.images import Images as Images
from edgecv.core.images import ImageSequence
from edgecv.core.preprocessing import Preprocessing
from edgecv.core.text import counted

Labels = NDArray[np.int64]
"""Class indices: int64 (N,)."""
Targets = NDArray[Any]
"""Labels of any task, a row an image: (N, ...); of several kinds as in ``core.targets``."""
Bools = NDArray[np.bool_]
"""Yes or no for each image: bool (N,)."""
UNKNOWN_LABEL = -1
"""Label of each image of a data set without labels."""
Predictions = NDArray[np.float32]
"""Values of one output: float32 (N, ...), a row an image."""
PixelClasses = Literal["scores last", "scores first", "numbers", "logit", "probability"]
"""The form in which an output holds a class for each pixel: a score for each class, behind height
and width or before them; its number; or one score of the second of two classes."""
Shape = tuple[int, int, int]
"""Height, width, channels of one image."""
SPLITS = ("train", "calibration", "validation", "test")


@dataclass(frozen=True, eq=False)
class Outputs:
    """Outputs of a model for N images: name of the output -> float32 (N, ...), in its order.

    Raises ValueError where there is none, or where their numbers of images differ.
    """

    arrays: Mapping[str, Predictions]

    def __post_init__(self) -> None:
        counts = {len(values) for values in self.arrays.values()}
        if len(counts) != 1:
            raise ValueError(f"outputs of {sorted(counts)} images")

    @classmethod
    def one(cls, values: Predictions, name: str = "output") -> "Outputs":
        """Return the outputs of a model with one output: float32 (N, ...)."""
        return cls({name: values})

    @property
    def only(self) -> Predictions:
        """Return the values of the one output. Raises ValueError where there are several."""
        if len(self.arrays) != 1:
            raise ValueError(f"{counted(len(self.arrays), 'output')}: {', '.join(self.arrays)}")
        return next(iter(self.arrays.values()))

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def first(self, count: int) -> "Outputs":
        """Return the outputs for the first ``count`` images."""
        return Outputs({name: each[:count] for name, each in self.arrays.items()})

    def rows(self, rows: NDArray[np.int64]) -> "Outputs":
        """Return the outputs for the images at ``rows``."""
        return Outputs({name: each[rows] for name, each in self.arrays.items()})

    @classmethod
    def joined(cls, parts: Sequence["Outputs"]) -> "Outputs":
        """Return the outputs for the images of all parts, in order."""
        return cls(
            {
                name: np.concatenate([each.arrays[name] for each in parts])
                for name in parts[0].arrays
            }
        )


@dataclass(frozen=True)
class Split:
    """Labelled images of one split. ``sha256`` is over the pixels and labels, in order."""

    images: ImageSequence
    labels: Targets
    sha256: str

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """Labelled images in four splits that share no image. A split may be empty.

    ``notes`` are sentences for the user and the report: what was resized, dropped or skipped.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    calibration: Split
    validation: Split
    test: Split
    notes: tuple[str, ...] = ()
    has_labels: bool = True
    """True if the labels of the images are known; metrics need them."""
    target_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names by the kind of targets: of the numbers or keypoints of an image; or the classes of a
    kind that has others than ``class_names``, as a mask with a background."""

    meaning: Preprocessing | None = None
    """The numbers that the bytes stand for, where these are no pixels: byte * scale + offset."""
    has_drawn_test: bool = False
    """True if the data has no test split and images were set aside for it: a model that comes from
    elsewhere may have been trained on them."""

    @property
    def test_labels(self) -> Targets | None:
        """Return the labels of the test split: (N, ...), None where they are not known."""
        return self.test.labels if self.has_labels else None

    def split(self, name: str) -> Split:
        """Return the split called ``name``: one of ``SPLITS``."""
        found: Split = {key: getattr(self, key) for key in SPLITS}[name]
        return found

    @property
    def image_shape(self) -> Shape:
        """Height, width and channels of every image."""
        height, width, channels = self.test.images.shape[1:]
        return int(height), int(width), int(channels)
