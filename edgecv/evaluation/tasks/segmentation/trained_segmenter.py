"""The part of segmentation that trains: its last layers, its losses, and its masks."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from edgecv.core.data import Dataset, Targets
from edgecv.core.errors import InputError
from edgecv.core.plugins import Curves, Head, Move
from edgecv.evaluation.probability_task import ProbabilityTask
from edgecv.evaluation.tasks.segmentation import training
from edgecv.models.outputs import ending_of
from edgecv.models.softmax import logits_model, separate_softmax, with_activation
from edgecv.models.tf import keras


class TrainedSegmenter(ProbabilityTask):
    """Segmentation as a training needs it, with the options of the task."""

    same_iou: float = Field(default=0.85, gt=0, le=1)
    """Smallest IoU of two maps that are the same answer: the mean of the classes in either."""
    softmax: bool = True
    """End in a softmax; false leaves it out, and files give logits. The likeliest class is the
    same, and a softmax of every pixel takes a large part of the time of a small int8 file."""

    def head(self, data: Dataset) -> Head:
        """Return a 1x1 convolution and its softmax, one map for each class of the data."""
        return MapHead(len(data.class_names), softmax=self.softmax)

    def raw_model(self, model: Any) -> Any:
        """Return the model that ends before its softmax, or sigmoid, where it has one."""
        return super().raw_model(model) if self.softmax else model

    def targets(self, labels: Targets) -> Targets:
        """Return the masks: uint8 (N, H, W)."""
        return labels

    curves: ClassVar[Curves] = Curves(
        score="IoU",
        score_axis="mean IoU of an image",
        loss="cross-entropy + Dice loss",
    )

    def loss(self, targets: Any, raw: Any) -> Any:
        """Cross-entropy plus soft Dice loss: (N, H, W), (N, h, w, K) -> (N,)."""
        return training.loss_of(targets, raw)

    def imitation_loss(self, teacher: Any, raw: Any, temperature: float) -> Any:
        """Divergence of softened probabilities, a pixel's mean: (N, ...), (N, ...) -> (N,)."""
        return training.imitation_loss_of(teacher, raw, temperature)

    def moved(self, targets: Any, move: Move) -> Any:
        """Return masks that were moved as their images: (N, H, W)."""
        return move.pixels(targets[..., None])[..., 0]

    def training_score(self, targets: Any, raw: Any) -> Any:
        """Intersection over union of each image: (N, H, W), (N, h, w, K) -> (N,)."""
        return training.score_of(targets, raw)

    def finished(self, model: Any, where: str) -> tuple[Any, str]:
        """Return a segmenter that gives probabilities; logits get their softmax, or sigmoid."""
        found, text = ending_of(model)
        output, last = model.outputs[0], model.layers[-1]
        is_one = output.shape[-1] == 1
        has_activation = found == "probabilities" or (found == "sigmoid" and is_one)
        if has_activation and not self.softmax:
            return logits_model(separate_softmax(model)), f"{text}, which is left out: logits"
        if has_activation:
            return model, text
        if found == "sigmoid":
            raise InputError(
                where,
                f"ends in a sigmoid ({last.name}): each map is a yes or no of its own",
                accepted="one softmax over the classes, one sigmoid for two, or logits",
            )
        if not output.dtype.is_floating:
            return model, "the model gives the number of the class of each pixel"
        if not self.softmax:
            return model, "the model gives logits"
        if not is_one:
            return with_activation(model, "softmax")
        ending = keras.layers.Activation("sigmoid", name=f"{last.name}_sigmoid")
        whole = keras.Model(model.inputs, ending(output), name=model.name)
        return whole, f"the model gives one logit a pixel: a sigmoid was added after {last.name}"


class MapHead:
    """The last layers of a segmenter: float32 (N, H, W, F) -> (N, H, W, classes)."""

    def __init__(self, classes: int, *, softmax: bool = True) -> None:
        self.classes = classes
        self.softmax = softmax

    def __call__(self, **options: Any) -> Sequence[Any]:
        """Return a 1x1 convolution with ``options``, and its softmax."""
        logits = keras.layers.Conv2D(self.classes, 1, name="logits", **options)
        return [logits, *([keras.layers.Softmax(name="probabilities")] if self.softmax else [])]
