"""Detection: the task of models that give boxes with classes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgecv.core.class_results import ClassResults
from edgecv.core.data import SPLITS, Dataset, Images, Outputs, Targets
from edgecv.core.paired_results import GroupDifference
from edgecv.core.plugins import Metric, Proof, Terms
from edgecv.core.targets import NO_BOX, kinds_of
from edgecv.core.text import name_at
from edgecv.evaluation.output_differences import of_ranges
from edgecv.evaluation.tasks.detection import text
from edgecv.evaluation.tasks.detection.average_precision import Matched, match
from edgecv.evaluation.tasks.detection.boxes import Boxes, agree
from edgecv.evaluation.tasks.detection.by_class import box_f1, class_differences, class_results
from edgecv.evaluation.tasks.detection.decoders import boxes_of, unit_of, usual_decoder
from edgecv.evaluation.tasks.detection.doubts import doubts_of
from edgecv.evaluation.tasks.detection.proof import average, proof_of
from edgecv.evaluation.tasks.detection.trained_detector import TrainedDetector

_MATCHED: WeakKeyDictionary[Outputs, tuple[Any, Targets, Matched]] = WeakKeyDictionary()
"""The boxes that were last matched for outputs: every figure of them needs these."""


class Detection(TrainedDetector):
    """Boxes with classes: judged by the average precision of COCO."""

    name: ClassVar[str] = "detection"
    hub_name: ClassVar[str] = "object-detection"
    target: ClassVar[str] = "boxes"
    judges_order: ClassVar[bool] = True
    features: ClassVar[str] = "map"
    conversion_limit: ClassVar[float] = 1e-3
    group_figure: ClassVar[str] = "AP"
    group_points: ClassVar[str] = "F1 points"

    judged_by: Literal["AP", "AP50"] = "AP"
    """The metric that limits on the drop and intervals are about."""
    score: float = Field(default=0.3, gt=0, lt=1)
    """Score from which on a box is an answer: for F1, changed answers and pictures."""
    same_iou: float = Field(default=0.7, gt=0, le=1)
    """Smallest IoU of two boxes that are the same answer."""
    same_score: float = Field(default=0.1, ge=0, lt=1)
    """Largest fall of the score, below the one of an answer, of a box that is still the same."""

    @classmethod
    def fits(cls, data: Dataset, answers: Sequence[tuple[int, ...]], ending: str) -> bool:
        """Return True for outputs whose decoder is plain, where the data has boxes."""
        is_known = usual_decoder(list(answers)) is not None
        return is_known and data.has_labels and "boxes" in kinds_of(data.test.labels)

    def of_task(self, data: Dataset) -> Dataset:
        """Return the data with its boxes in the unit that the decoder gives."""
        found = super().of_task(data)
        if not data.has_labels or unit_of(self.decoder) == "pixels":
            return found
        high, wide, _ = data.image_shape
        one = np.array([1, wide, high, wide, high], np.float32)
        splits: dict[str, Any] = {
            name: replace(found.split(name), labels=found.split(name).labels / one)
            for name in SPLITS
        }
        return replace(found, **splits)

    # Outputs of any runtime.

    def normalized(
        self, outputs: Outputs, scales: Mapping[str, float | None]
    ) -> tuple[Outputs, tuple[str, ...]]:
        """Return the outputs as they are. Raises InputError where the decoder does not fit them."""
        self._boxes(outputs)
        return outputs, ()

    def check_baseline(self, outputs: Outputs, where: str) -> None:
        """Raise InputError where the decoder does not fit the baseline's outputs."""
        super().check_baseline(outputs, where)
        self._boxes(outputs)

    def _boxes(self, outputs: Outputs) -> Boxes:
        return boxes_of(self.decoder, outputs)

    def _matched(self, outputs: Outputs, targets: Targets) -> Matched:
        kept = _MATCHED.get(outputs)
        if kept is not None and kept[0] == self.decoder and kept[1] is targets:
            return kept[2]
        boxes = self._boxes(outputs)
        classes = 1 + int(max(boxes.classes.max(initial=0), targets[:, :, 0].max()))
        found = match(boxes, targets, classes)
        _MATCHED[outputs] = (self.decoder, targets, found)
        return found

    terms: ClassVar[Terms] = Terms(
        output="a number, of the range of its output,",
        same="nearly the same boxes",
    )
    method: ClassVar[str] = text.METHOD

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Average precision of all overlaps, of 0.5 alone, and F1; the headline first."""
        precisions = [
            Metric("AP", lambda outputs, targets: average(self._matched(outputs, targets))),
            Metric("AP50", lambda outputs, targets: average(self._matched(outputs, targets), 1)),
        ]
        precisions.sort(key=lambda each: each.name != self.judged_by)
        return (*precisions, Metric("F1", self._f1))

    def _f1(self, outputs: Outputs, targets: Targets) -> float:
        hits, given, wanted = self._matched(outputs, targets).figures(self.score)
        return float(2 * hits.sum() / max(given.sum() + wanted.sum(), 1))

    def resampled(self, outputs: Outputs, targets: Targets) -> Callable[[NDArray[np.int64]], float]:
        """Return the headline of some images, by boxes that were matched once: (M,) -> AP."""
        found = self._matched(outputs, targets)
        if self.judged_by == "AP50":
            found = replace(found, hits=found.hits[:1])
        images = len(targets)
        return lambda rows: average(found, times=np.bincount(rows, minlength=images))

    def score_per_image(self, outputs: Outputs, targets: Targets) -> NDArray[np.float64]:
        """Return the F1 of the boxes of each image, the mean over the overlaps: float64 (N,).

        1 for an image without boxes, true or given.
        """
        return box_f1(*(each.sum(axis=1) for each in self._figures(outputs, targets)))

    def _figures(self, outputs: Outputs, targets: Targets) -> Any:
        return self._matched(outputs, targets).figures(self.score)

    def same_answer(self, outputs: Outputs, reference: Outputs) -> NDArray[np.bool_]:
        """Return True for each image with nearly the reference's boxes: bool (N,)."""
        lower = max(self.score - self.same_score, 0.0)
        one, other = (self._boxes(each) for each in (outputs, reference))
        return agree(one, other, self.score, lower, self.same_iou)

    def answer_bytes(self, outputs: Outputs) -> bytes:
        """Return class and corners of all boxes above the score, rounded to float16."""
        shown = self._boxes(outputs).above(self.score)
        is_box = shown.classes != NO_BOX
        parts = (is_box.sum(axis=1), shown.classes[is_box])
        corners = shown.corners[is_box].astype("<f2")
        return b"".join([*(each.astype("<i4").tobytes() for each in parts), corners.tobytes()])

    def confidence(self, outputs: Outputs, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the largest score of a box, of some images."""
        largest: NDArray[np.float64] = self._boxes(outputs).scores[places].max(axis=1, initial=0.0)
        return largest

    def differences(self, outputs: Outputs, reference: Outputs) -> tuple[float, float]:
        """Return the mean and the largest difference, as fractions of the range of an output."""
        return of_ranges(outputs, reference)

    def proof(self, outputs: Outputs, targets: Targets | None) -> Proof:
        """Return if the boxes find more than those of other images do."""
        return proof_of(self._boxes(outputs), targets, self.score)

    def doubts(self, outputs: Outputs, data: Dataset, where: str) -> None:
        """Raise InputError where turned boxes or other classes would clearly fit better."""
        doubts_of(self._boxes(outputs), data.test.labels, self._size(data), data.class_names, where)

    def _size(self, data: Dataset) -> tuple[float, float]:
        """Return width and height of an image in the unit of the boxes."""
        high, wide, _ = data.image_shape
        return (wide, high) if unit_of(self.decoder) == "pixels" else (1.0, 1.0)

    def groups(
        self, outputs: Outputs, baseline: Outputs, targets: Targets
    ) -> tuple[GroupDifference, ...]:
        """Compare F1 and average precision of each class."""
        after, before = (self._matched(each, targets) for each in (outputs, baseline))
        return class_differences(after, before, self.score)

    # The report.

    def class_results(self, outputs: Outputs, targets: Targets, classes: int) -> ClassResults:
        """Return the average precision of each class, and its boxes above the score."""
        found = self._matched(outputs, targets)
        return class_results(found, self.score, self.judged_by, classes)

    def captions(
        self, outputs: Outputs, baseline: Outputs, data: Dataset, place: int
    ) -> tuple[str, ...]:
        """Return the classes of the boxes before and after, and F1 where there are true boxes."""
        before, after = (
            text.names_of(each.classes[0].tolist(), data.class_names)
            for each in self._shown(baseline, outputs, place)
        )
        if data.test_labels is None:
            return before, f"-> {after}"
        scores = (
            self.score_per_image(each, data.test.labels)[place] for each in (baseline, outputs)
        )
        return before, f"-> {after}", "F1 {:.0%} -> {:.0%}".format(*scores)

    def answer_text(self, outputs: Outputs, names: Sequence[str], place: int) -> str:
        """Return class, score and corners of each box of an image, in the unit of the decoder."""
        found = self._boxes(outputs).of(np.array([place])).above(self.score)
        shown = []
        for kind, score, sides in zip(
            found.classes[0].tolist(), found.scores[0], found.corners[0], strict=True
        ):
            if kind != NO_BOX:
                corners = ", ".join(f"{side:.3g}" for side in sides)
                shown.append(f"{name_at(names, kind)} {score:.1%} ({corners})")
        return "; ".join(shown) or "nothing"

    def picture(self, outputs: Outputs, baseline: Outputs, data: Dataset, place: int) -> Images:
        """Return a test image with the boxes before, and beside it after: uint8 (H, 2 W, 3)."""
        truth = None if data.test_labels is None else data.test.labels[place]
        shown = self._shown(baseline, outputs, place)
        return text.drawn(data.test.images[place], shown, truth, self._size(data))

    def _shown(self, baseline: Outputs, outputs: Outputs, place: int) -> list[Boxes]:
        row = np.array([place])
        return [self._boxes(each).of(row).above(self.score) for each in (baseline, outputs)]

    def truth(self, data: Dataset, place: int) -> str:
        """Return the names of the true boxes of a test image."""
        classes = data.test.labels[place, :, 0].astype(np.int64)
        return text.names_of(classes.tolist(), data.class_names)
