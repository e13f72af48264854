"""The decoder of files that end in post-processing: the best boxes, their classes and scores."""

from typing import Literal

import numpy as np

from edgecv.core.data import Outputs, Predictions
from edgecv.core.options import Several
from edgecv.core.targets import NO_BOX
from edgecv.evaluation.tasks.detection.boxes import Boxes, Floats, best
from edgecv.evaluation.tasks.detection.decoders.decoder import Coordinates, Decoder, named

COLUMNS = 6
USUAL = {
    "boxes": ("TFLite_Detection_PostProcess", "detection_boxes"),
    "classes": ("TFLite_Detection_PostProcess:1", "detection_classes"),
    "scores": ("TFLite_Detection_PostProcess:2", "detection_scores"),
    "count": ("TFLite_Detection_PostProcess:3", "num_detections"),
}
"""Names that the converters of TensorFlow give to these outputs."""


class PostprocessedDecoder(Decoder):
    """The best boxes of an image, with their classes and scores, and maybe their number.

    As TFLite_Detection_PostProcess, NonMaxSuppression and alike give them: an output each, or one
    of [boxes, 6], which has the corners, the score and the class.
    """

    kind: Literal["postprocessed"] = "postprocessed"
    boxes: Several = ()
    """Name of the output with corners, [boxes, 4], or with all six numbers, [boxes, 6]."""
    classes: Several = ()
    """Name of the output with the number of each box's class."""
    scores: Several = ()
    """Name of the output with scores."""
    count: Several = ()
    """Name of the output with the number of boxes; where there is none, all count."""
    corners: Literal["yxyx", "xyxy"] | None = None
    """Order of the corners: top, left, bottom, right, as TensorFlow has them; or left, top, right,
    bottom, which is the usual one of six columns."""
    coordinates: Coordinates | None = None
    """Unit of the corners: fractions of the image's sides; or pixels, the usual one of six
    columns, which has to be given."""

    @property
    def unit(self) -> Coordinates:
        """Unit of the corners."""
        return self.coordinates or "fractions"

    def decoded(self, outputs: Outputs) -> Boxes:
        """Return the boxes: see ``Decoder``."""
        arrays = outputs.arrays
        names = named(
            outputs,
            "boxes",
            self._names("boxes", outputs),
            (),
            lambda shape: shape[-1:] in ((4,), (COLUMNS,)) and len(shape) <= 2,
        )
        values = arrays[names[0]]
        if values.ndim == 2:  # Runtimes give one box so.
            values = values[:, np.newaxis]
        if values.ndim != 3 or values.shape[2] not in (4, COLUMNS):
            raise self.misfit(outputs, "corners [boxes, 4], or all [boxes, 6]")
        if values.shape[2] == COLUMNS:
            if self.coordinates is None:
                raise self.misfit(
                    outputs, 'coordinates = "pixels", or "fractions"', "say what the corners are"
                )
            return self._best(values[..., :4], values[..., 4], values[..., 5], "xyxy")
        classes, scores = self._classes_and_scores(outputs, names[0], values.shape[1])
        if classes.shape != values.shape[:2] or scores.shape != values.shape[:2]:
            raise self.misfit(outputs, "corners [boxes, 4], classes [boxes] and scores [boxes]")
        counts = self._counts(outputs, values.shape[:2])
        is_there = np.arange(values.shape[1]) < counts[:, np.newaxis]
        return self._best(values, np.where(is_there, scores, 0), classes, "yxyx")

    def _best(
        self, corners: Predictions, scores: Predictions, classes: Predictions, order: str
    ) -> Boxes:
        if (self.corners or order) == "yxyx":
            corners = corners[..., [1, 0, 3, 2]]
        if self.unit == "fractions":
            corners = corners.clip(0, 1)
        numbers = np.rint(classes).astype(np.int64) - self.first_class
        numbers = np.maximum(numbers, NO_BOX)
        return best(
            numbers, scores.astype(np.float64), corners.astype(np.float64), self.least_score
        )

    def _names(self, role: str, outputs: Outputs) -> tuple[str, ...]:
        """Return the name of an output that is given, or that converters give it."""
        given: tuple[str, ...] = getattr(self, role)
        return given or tuple(name for name in (role, *USUAL[role]) if name in outputs.arrays)[:1]

    def _classes_and_scores(
        self, outputs: Outputs, boxes: str, count: int
    ) -> tuple[Predictions, Predictions]:
        """Return classes and scores: where no names tell them, classes are whole numbers."""
        roles = {role: self._names(role, outputs) for role in ("classes", "scores")}
        lists = [
            name
            for name, each in outputs.arrays.items()
            if each.shape[1:] == (count,) and (name,) not in roles.values()
        ]
        whole = {name for name in lists if _are_whole(outputs.arrays[name])}
        for role, fitting in (("classes", whole), ("scores", set(lists) - whole)):
            if not roles[role] and len(fitting) == 1:
                roles[role] = tuple(fitting)
        found = []
        for role, names in roles.items():
            taken = [boxes, *(name for other in roles.values() for name in other)]
            (name, *_) = named(outputs, role, names, taken, lambda shape: shape == (count,))
            roles[role] = (name,)
            found.append(outputs.arrays[name])
        return found[0], found[1]

    def _counts(self, outputs: Outputs, shape: tuple[int, ...]) -> Floats:
        """Return the number of boxes of each image: float64 (N,)."""
        names = self._names("count", outputs) or tuple(
            name for name, each in outputs.arrays.items() if each[0].size == 1 and shape[1] > 1
        )
        if not names:
            return np.full(shape[0], float(shape[1]))
        (name,) = named(outputs, "count", names[:1], (), lambda shape: True)
        return outputs.arrays[name].reshape(len(outputs), -1)[:, 0].astype(np.float64)


def _are_whole(values: Predictions) -> bool:
    return bool((values == np.rint(values)).all())
