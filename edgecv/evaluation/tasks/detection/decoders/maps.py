"""The decoder of edgecv's own detectors: two maps, of classes and of distances."""

from typing import Literal

import numpy as np

from edgecv.core.data import Outputs
from edgecv.core.options import Several
from edgecv.evaluation.tasks.detection.boxes import Boxes, without_overlaps
from edgecv.evaluation.tasks.detection.decoders.decoder import OverlapDecoder, named

ACCEPTED = "a map of classes [H, W, classes] and a map of distances [H, W, 4]"


class MapDecoder(OverlapDecoder):
    """Two maps: the probability of each class, and left, top, right and bottom in cells.

    Each cell may have a box around its middle, as in FCOS (Tian et al., 2019).
    """

    kind: Literal["edgecv"] = "edgecv"
    boxes: Several = ()
    """Name of the output with distances; where not given, the one with four of them."""
    classes: Several = ()
    """Name of the output with probabilities; where not given, the other one."""

    def decoded(self, outputs: Outputs) -> Boxes:
        """Return the boxes: see ``Decoder``."""
        if len(outputs.arrays) != 2 or any(each.ndim != 4 for each in outputs.arrays.values()):
            raise self.misfit(outputs, ACCEPTED)
        names = named(outputs, "boxes", self.boxes, self.classes, lambda shape: shape[-1] == 4)
        others = named(outputs, "classes", self.classes, names, lambda shape: shape[-1] != 4)
        distances, scores = outputs.arrays[names[0]], outputs.arrays[others[0]]
        if distances.shape[-1] != 4 or distances.shape[:3] != scores.shape[:3]:
            raise self.misfit(outputs, ACCEPTED)
        count, high, wide, _ = distances.shape
        rows, columns = np.mgrid[:high, :wide] + 0.5
        middles = np.stack([columns, rows], axis=-1)
        ends = [middles - distances[..., :2], middles + distances[..., 2:]]
        corners = np.concatenate(ends, axis=-1) / [wide, high, wide, high]
        return without_overlaps(
            corners.reshape(count, high * wide, 4).clip(0, 1),
            scores.reshape(count, high * wide, -1)[..., self.first_class :].astype(np.float64),
            self.least_score,
            self.most_overlap,
        )
