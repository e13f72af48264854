"""The decoder of the YOLO family: a row of numbers a box, decoded in the file or not."""

from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from edgecv.core.data import Outputs, Predictions
from edgecv.core.options import Several
from edgecv.evaluation.tasks.detection.boxes import Boxes, Floats, without_overlaps
from edgecv.evaluation.tasks.detection.decoders.decoder import (
    CellMap,
    Coordinates,
    OverlapDecoder,
    cells_first,
    corners_of,
    grid,
    joined_rows,
    named,
    sigmoid,
)

Code = Literal["xywh", "xyxy", "v3", "v5", "x", "distances", "bins"]
DECODED = ("xywh", "xyxy")
PARTS = 2
"""An output of one map has more axes than a list of boxes."""


class YoloDecoder(OverlapDecoder):
    """Rows of a box, then maybe an objectness, then a score a class; YOLO's and alike.

    Decoded in the file, as most exports are ("xywh" of the middle, or "xyxy"), or coded relative to
    the cells of ``maps``: "v3" (also v4), "v5" (also v7), "x" (YOLOX), "distances" from the cell's
    middle in cells (v6, NanoDet, FCOS), "bins" of them (v8, before its softmax).
    """

    kind: Literal["yolo"] = "yolo"
    rows: Several = ()
    """Names of the outputs, in the order of ``maps``; where not given, all of them, or all that are
    no ``scores`` and no ``objects``."""
    scores: Several = ()
    """Names of the outputs with the scores of the classes, where these are apart from the boxes,
    in the same order."""
    objects: Several = ()
    """Names of the outputs with the objectness, where that is apart from the boxes too."""
    code: Code = "xywh"
    """Meaning of the first numbers of a row."""
    coordinates: Coordinates = "pixels"
    """Unit of "xywh" and "xyxy": pixels of the model's input, or fractions of its sides."""
    maps: Annotated[tuple[CellMap, ...], Field(strict=False)] = ()
    """The maps of cells that a code is relative to, in the order of the rows."""
    anchors_first: bool = False
    """True for rows [anchors, cells] of each map, as YOLOv5 flattens them."""
    objectness: bool = False
    """True if the number after the box is the chance that there is one (v3, v5, v7, YOLOX)."""
    bins: Annotated[int, Field(ge=2, le=64)] = 16
    """Distances of which "bins" has a chance each: 16 of YOLOv8, 8 of NanoDet."""
    activation: Literal["none", "sigmoid"] = "none"
    """The function of the scores that the file has left out."""

    @model_validator(mode="after")
    def _has_maps(self) -> Self:
        if bool(self.maps) == (self.code in DECODED):
            raise ValueError(f"maps for a code that is not {' or '.join(DECODED)}, and only then")
        if self.objects and not (self.objectness and self.scores):
            raise ValueError("objects with objectness = true and scores, which are apart then too")
        if self.bins != 16 and self.code != "bins":
            raise ValueError('bins for code = "bins" alone')
        return self

    @property
    def unit(self) -> Coordinates:
        """Unit of the decoded corners."""
        return self.coordinates if self.code in DECODED else "fractions"

    def decoded(self, outputs: Outputs) -> Boxes:
        """Return the boxes: see ``Decoder``."""
        columns = 4 * self.bins if self.code == "bins" else 4
        rows = self._whole_rows(outputs, columns)
        first = columns + self.objectness + self.first_class
        if rows is None or rows.shape[2] <= first:
            count = sum(each.count for each in self.maps) or "boxes"
            accepted = f"rows [{count}, {first} + classes], or turned"
            if len(self.maps) > 1:
                accepted += f"; or an output for each of the {len(self.maps)} maps, in their order"
            raise self.misfit(outputs, accepted)
        scores = rows[..., columns:].astype(np.float64)
        if self.activation == "sigmoid":
            scores = sigmoid(scores)
        if self.objectness:
            scores = scores[..., :1] * scores[..., 1:]
        corners = self._corners(rows[..., :columns].astype(np.float64))
        if self.unit == "fractions":
            corners = corners.clip(0, 1)
        return without_overlaps(
            corners, scores[..., self.first_class :], self.least_score, self.most_overlap
        )

    def _whole_rows(self, outputs: Outputs, columns: int) -> Predictions | None:
        """Return the rows of a box, an objectness and scores, which may be apart in the file."""
        apart = (*self.objects, *self.scores)
        boxes = self.rows or tuple(name for name in outputs.arrays if name not in apart)
        parts = []
        for role, names in (("rows", boxes), ("objects", self.objects), ("scores", self.scores)):
            if names or role == "rows":
                known = named(outputs, role, names, (), lambda shape: True)
                arrays = [outputs.arrays[name] for name in known]
                parts.append(self._rows(arrays) if self.maps else self._decoded_rows(arrays))
        found = [each for each in parts if each is not None]
        if len(found) < len(parts) or len({each.shape[1] for each in found}) > 1:
            return None
        if apart:
            found[0] = found[0][..., :columns]  # What follows a box may be keypoints.
        return np.concatenate(found, axis=2)

    def _decoded_rows(self, arrays: list[Predictions]) -> Predictions | None:
        """Return decoded rows: the shorter of two axes has the numbers of a box."""
        if any(each.ndim != 3 for each in arrays):
            return None
        turned = [
            each if each.shape[1] >= each.shape[2] else each.swapaxes(1, 2) for each in arrays
        ]
        if len({each.shape[2] for each in turned}) > 1:
            return None
        return np.concatenate(turned, axis=1)

    def _rows(self, arrays: list[Predictions]) -> Predictions | None:
        """Return coded rows by rows, columns and anchors of each map."""
        found = joined_rows(arrays, self.maps)
        is_list = all(each.ndim <= PARTS + 1 for each in arrays)
        if found is None or not (self.anchors_first and is_list):
            return found
        return cells_first(found, self.maps)

    def _corners(self, box: Floats) -> Floats:
        if self.code == "xyxy":
            return box
        if self.code == "xywh":
            return corners_of(box[..., :2], box[..., 2:])
        places, cells, anchors = grid(self.maps)
        if self.code == "bins":
            box = _means(box, self.bins)
        if self.code in ("distances", "bins"):
            middle = places + 0.5
            ends = [middle - box[..., :2], middle + box[..., 2:]]
            return np.concatenate([each / cells for each in ends], axis=-1)
        middle, size = box[..., :2], box[..., 2:]
        if self.code == "v5":
            return corners_of(
                (2 * sigmoid(middle) - 0.5 + places) / cells, (2 * sigmoid(size)) ** 2 * anchors
            )
        if self.code == "v3":
            return corners_of((sigmoid(middle) + places) / cells, np.exp(size) * anchors)
        return corners_of((middle + places) / cells, np.exp(size) / cells)


def _means(values: Any, bins: int) -> Floats:
    """Return the mean of each distribution over distances: (..., 4 x bins) -> (..., 4)."""
    parts = values.reshape(*values.shape[:-1], 4, bins)
    powers = np.exp(parts - parts.max(axis=-1, keepdims=True))
    found: Floats = (powers @ np.arange(float(bins))) / powers.sum(axis=-1)
    return found
