"""Segmentation: the task of models that give the class of each pixel."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgecv.core.class_results import ClassResults
from edgecv.core.data import Dataset, Images, Outputs, PixelClasses, Targets
from edgecv.core.errors import InputError
from edgecv.core.paired_results import GroupDifference
from edgecv.core.plugins import Metric, Proof, Terms
from edgecv.core.targets import IGNORED, kinds_of
from edgecv.core.text import listed, name_at
from edgecv.datasets.class_order import in_order_of
from edgecv.evaluation.probability_task import mean_divergence
from edgecv.evaluation.statistics.groups import compared_groups
from edgecv.evaluation.tasks.segmentation import counts, text
from edgecv.evaluation.tasks.segmentation.class_results import class_results
from edgecv.evaluation.tasks.segmentation.counts import Counts
from edgecv.evaluation.tasks.segmentation.doubts import doubts_of
from edgecv.evaluation.tasks.segmentation.maps import (
    are_class_numbers,
    as_maps,
    channels,
    channels_last,
    class_maps,
    form_of,
    nearest,
)
from edgecv.evaluation.tasks.segmentation.proof import best_constant, proof_of
from edgecv.evaluation.tasks.segmentation.trained_segmenter import MapHead as MapHead
from edgecv.evaluation.tasks.segmentation.trained_segmenter import TrainedSegmenter

SUM_TOLERANCE = 1e-2
MOST_NAMES = 3


class Segmentation(TrainedSegmenter):
    """The class of each pixel: trained on cross-entropy and Dice, judged by mIoU."""

    name: ClassVar[str] = "segmentation"
    hub_name: ClassVar[str] = "image-segmentation"
    features: ClassVar[str] = "map"
    ending: ClassVar[str] = "probabilities"
    has_one_output: ClassVar[bool] = True
    target: ClassVar[str] = "mask"
    group_figure: ClassVar[str] = "IoU"

    @classmethod
    def fits(cls, data: Dataset, answers: Sequence[tuple[int, ...]], ending: str) -> bool:
        """Return True for one map, where the data has masks."""
        is_map = len(answers) == 1 and len(answers[0]) in (2, 3) and min(answers[0][:2]) > 0
        return is_map and data.has_labels and "mask" in kinds_of(data.test.labels)

    def divergence(self, whole: Outputs, cut: Outputs) -> float:
        """Return the mean Kullback-Leibler divergence of a pixel's probabilities, in nats."""
        (given, wanted), _ = zip(*(as_maps(each.only, None) for each in (cut, whole)), strict=True)
        return mean_divergence(wanted, given)

    wanted_shape: ClassVar[str] = "one map"

    @classmethod
    def takes_shape(cls, shape: tuple[int, ...]) -> bool:
        """Return True for a map."""
        return len(shape) in (2, 3)

    def fit_data(
        self, data: Dataset, outputs: int, names: Sequence[str] | None, where: str
    ) -> Dataset:
        """Return the data with its classes in the order of ``names``, where these are given.

        Raises InputError where the maps have more than one channel, and not one a name.
        """
        if names is None:
            return data
        return in_order_of(data, outputs if outputs > 1 else len(names), names)

    def names_of(self, shape: tuple[int, ...]) -> int:
        """Return the channels of a map."""
        return channels(shape)

    def normalized(
        self, outputs: Outputs, scales: Mapping[str, float | None]
    ) -> tuple[Outputs, tuple[str, ...]]:
        """Return probabilities, (N, H, W, classes), and notes where they had to be converted.

        Raises ValueError where the outputs are no maps.
        """
        ((name, values),) = outputs.arrays.items()
        maps, notes = as_maps(values, scales.get(name))
        return Outputs.one(maps, name), notes

    def check_baseline(self, outputs: Outputs, where: str) -> None:
        """Raise InputError unless the baseline gives maps of probabilities, or of classes."""
        super().check_baseline(outputs, where)
        try:
            maps = channels_last(outputs.only)
            if not self.softmax:
                maps, _ = as_maps(maps, None)
        except ValueError as error:
            raise InputError(
                where,
                str(error),
                accepted="a class or probabilities for each pixel: [batch, height, width, classes]",
                remedy="give another --task, or a model of maps",
            ) from None
        sums = maps.sum(axis=-1) if maps.shape[-1] > 1 else np.ones(1)
        is_off = maps.min() < 0 or np.abs(sums - 1).max() > SUM_TOLERANCE
        if is_off or (maps.max() > 1 + SUM_TOLERANCE and not are_class_numbers(maps)):
            raise InputError(
                where,
                "gives maps that are not probabilities",
                remedy="end the model with a Softmax layer",
            )

    def pixel_classes(self, outputs: Outputs) -> PixelClasses | None:
        """Return the form of the maps."""
        return form_of(outputs.only)

    terms: ClassVar[Terms] = Terms(
        output="a probability",
        outputs="classes a pixel",
        same="nearly the same map",
    )
    method: ClassVar[str] = text.METHOD

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Return mIoU first, all of them over the pixels of all images."""
        return (
            Metric("mIoU", self._metric(lambda found: counts.mean(found.iou))),
            Metric(
                "mIoU without background",
                self._metric(lambda found: counts.mean(found.iou[1:], np.nan)),
            ),
            Metric("Dice", self._metric(lambda found: counts.mean(found.dice, np.nan))),
            Metric("pixel accuracy", self._metric(lambda found: found.right)),
        )

    def _metric(self, of: Callable[[Counts], Any]) -> Callable[[Outputs, Targets], float]:
        return lambda outputs, targets: float(of(_counts(outputs, targets).total))

    def resampled(self, outputs: Outputs, targets: Targets) -> Callable[[NDArray[np.int64]], float]:
        """Return the mIoU of some images, by stored counts: (M,) -> mIoU."""
        found = _counts(outputs, targets)
        return lambda rows: float(counts.mean(found.of(rows).iou))

    def score_per_image(self, outputs: Outputs, targets: Targets) -> NDArray[np.float64]:
        """Return the mean IoU of the classes in each mask: float64 (N,).

        1 for a mask in which nothing is known.
        """
        return counts.mean(_counts(outputs, targets).iou)

    def same_answer(self, outputs: Outputs, reference: Outputs) -> NDArray[np.bool_]:
        """Return True for each image with nearly the reference's map: bool (N,)."""
        maps = class_maps(reference)
        found = counts.count(class_maps(outputs, maps.shape[1:]), maps)
        union = found.given + found.wanted - found.hits
        iou = np.where(union > 0, found.hits / np.maximum(1, union), np.nan)
        same: NDArray[np.bool_] = counts.mean(iou) >= self.same_iou
        return same

    def answer_bytes(self, outputs: Outputs) -> bytes:
        """Return the class of each pixel, a byte each."""
        return class_maps(outputs).tobytes()

    def confidence(self, outputs: Outputs, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the mean of the largest probability of each pixel, of some images."""
        maps, _ = as_maps(outputs.only[places], None)
        largest: NDArray[np.float64] = maps.max(axis=-1).mean(axis=(1, 2), dtype=np.float64)
        return largest

    def differences(self, outputs: Outputs, reference: Outputs) -> tuple[float, float]:
        """Return the mean and the largest difference of a probability."""
        if self.softmax and outputs.only.shape == reference.only.shape:
            return super().differences(outputs, reference)
        one, other = (self.normalized(each, {})[0] for each in (outputs, reference))
        return super().differences(one, other)

    def guessing(self, data: Dataset) -> float | None:
        """Return the mIoU of the commonest class everywhere."""
        return float(counts.mean(best_constant(data.test.labels).total.iou))

    def proof(self, outputs: Outputs, targets: Targets | None) -> Proof:
        """Return if the maps are better than one class everywhere."""
        size = None if targets is None else targets.shape[1:]
        return proof_of(class_maps(outputs, size), targets)

    def doubts(self, outputs: Outputs, data: Dataset, where: str) -> str | None:
        """Return a warning about maps of another size than the masks.

        Raises InputError where the masks are turned, or their classes are others.
        """
        return doubts_of(outputs, data, where)

    def groups(
        self, outputs: Outputs, baseline: Outputs, targets: Targets
    ) -> tuple[GroupDifference, ...]:
        """Compare the IoU of each class."""
        after, before = (_counts(each, targets) for each in (outputs, baseline))
        return _class_differences(after, before)

    def class_results(self, outputs: Outputs, targets: Targets, classes: int) -> ClassResults:
        """Return the IoU of each class, and which pixels were taken for which."""
        return class_results(class_maps(outputs, targets.shape[1:]), targets, classes)

    def captions(
        self, outputs: Outputs, baseline: Outputs, data: Dataset, place: int
    ) -> tuple[str, ...]:
        """Return the IoU before and after, and the part of the pixels that changed."""
        before, after = _maps_at(baseline, place), _maps_at(outputs, place)
        changed = f"{np.mean(before != after):.1%} of the pixels changed"
        if data.test_labels is None:
            return (changed,)
        mask = data.test.labels[place : place + 1]
        scores = [self.score_per_image(_one(each, place), mask)[0] for each in (baseline, outputs)]
        return (f"IoU {scores[0]:.0%} -> {scores[1]:.0%}", changed)

    def answer_text(self, outputs: Outputs, names: Sequence[str], place: int) -> str:
        """Return the part of the pixels that each class has."""
        found = np.bincount(_maps_at(outputs, place).ravel())
        return ", ".join(
            f"{name_at(names, each)} {found[each] / found.sum():.1%} of the pixels"
            for each in np.flatnonzero(found).tolist()
        )

    def picture(self, outputs: Outputs, baseline: Outputs, data: Dataset, place: int) -> Images:
        """Return a test image and beside it the changed pixels: uint8 (H, 2 W, 3)."""
        image = data.test.images[place]
        before, after = (
            nearest(_maps_at(each, place), image.shape[:2])[0] for each in (baseline, outputs)
        )
        mask = None if data.test_labels is None else data.test.labels[place]
        return text.changed_pixels(image, before, after, mask)

    def truth(self, data: Dataset, place: int) -> str:
        """Return the names of the classes in the mask of a test image."""
        found = np.unique(data.test.labels[place])
        return listed([data.class_names[each] for each in found if each != IGNORED], MOST_NAMES)


def _counts(outputs: Outputs, masks: Targets) -> Counts:
    return counts.count(class_maps(outputs, masks.shape[1:]), masks)


def _one(outputs: Outputs, place: int) -> Outputs:
    return Outputs.one(outputs.only[place : place + 1])


def _maps_at(outputs: Outputs, place: int) -> Any:
    return class_maps(_one(outputs, place))


def _class_differences(after: Counts, before: Counts) -> tuple[GroupDifference, ...]:
    """Compare two models class by class, the worst first: IoU over all pixels, signs by image."""
    classes = min(after.iou.shape[1], before.iou.shape[1])
    present = np.flatnonzero(before.total.wanted[:classes])
    now, then = (each.total.iou[present] for each in (after, before))
    gains = after.iou_of_all[:, present] - before.iou_of_all[:, present]
    wins, losses = (gains > 0).sum(axis=0), (gains < 0).sum(axis=0)
    images = (before.wanted[:, present] > 0).sum(axis=0)
    return compared_groups(present, images, wins, losses, (now - then) * 100, (then, now))
