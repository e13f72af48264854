"""The decoder of SSD, RetinaNet and BlazeFace: boxes coded relative to anchors."""

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from edgecv.core.data import Outputs, Predictions
from edgecv.core.options import Several
from edgecv.evaluation.tasks.detection.boxes import Boxes, Floats, without_overlaps
from edgecv.evaluation.tasks.detection.decoders.decoder import (
    CellMap,
    OverlapDecoder,
    corners_of,
    grid,
    joined_rows,
    named,
    sigmoid,
)

Four = Annotated[tuple[float, float, float, float], Field(strict=False)]


class SsdDecoder(OverlapDecoder):
    """Codes of boxes relative to anchors, and a score a class of each anchor.

    Of SSD, RetinaNet and EfficientDet; of BlazeFace and other detectors of MediaPipe with
    ``order = "xywh"``, ``size = "linear"`` and the image's side as all ``scales``.
    """

    kind: Literal["ssd"] = "ssd"
    boxes: Several = ()
    """Names of the outputs with codes, [anchors, 4 or more], or one a map, in the order of
    ``maps``; where not given, the one with four."""
    scores: Several = ()
    """Names of the outputs with scores, [anchors, classes], or one a map; where not given, the
    other one."""
    maps: Annotated[tuple[CellMap, ...], Field(strict=False)] = ()
    """The maps that the anchors come from, in order: by rows, columns and anchors of a cell."""
    anchors: Annotated[tuple[Four, ...], Field(strict=False)] = ()
    """The anchors themselves: x and y of the middle, width and height, as fractions."""
    order: Literal["yxhw", "xywh"] = "yxhw"
    """Order of the first four numbers of a code."""
    scales: Four = (10.0, 10.0, 5.0, 5.0)
    """Divisors of these numbers: 10 and 5 are variances of 0.1 and 0.2."""
    size: Literal["exponential", "linear"] = "exponential"
    """The factor of an anchor's size: e to the code, or the code."""
    activation: Literal["sigmoid", "softmax", "none"] = "sigmoid"
    """The function of the scores that the file has left out."""

    @model_validator(mode="after")
    def _has_anchors(self) -> Self:
        if bool(self.maps) == bool(self.anchors):
            raise ValueError("maps, or anchors: one of the two")
        return self

    def decoded(self, outputs: Outputs) -> Boxes:
        """Return the boxes: see ``Decoder``."""
        names = named(outputs, "boxes", self.boxes, self.scores, lambda shape: shape[-1:] == (4,))
        others = named(
            outputs, "scores", self.scores, names, lambda shape: shape[-1:] not in ((), (4,))
        )
        middles, sizes = self._anchors()
        codes, scores = self._joined(outputs, names), self._joined(outputs, others)
        counts = [each.shape[1] for each in (codes, scores) if each is not None]
        if codes is None or scores is None or {*counts} != {len(middles)} or codes.shape[2] < 4:
            several = f", or one a map for {len(self.maps)} maps" if len(self.maps) > 1 else ""
            raise self.misfit(
                outputs,
                f"codes [{len(middles)}, 4] and scores [{len(middles)}, classes], by the anchors"
                f"{several}",
            )
        code = codes[..., :4].astype(np.float64) / self.scales
        if self.order == "yxhw":
            code = code[..., [1, 0, 3, 2]]
        factors = np.exp(code[..., 2:]) if self.size == "exponential" else code[..., 2:]
        corners = corners_of(middles + code[..., :2] * sizes, factors * sizes)
        return without_overlaps(
            corners.clip(0, 1),
            self._activated(scores)[..., self.first_class :],
            self.least_score,
            self.most_overlap,
        )

    def _anchors(self) -> tuple[Floats, Floats]:
        """Return middle, and width and height, of all anchors: float64 (A, 2) each."""
        if self.anchors:
            given = np.array(self.anchors, np.float64)
            return given[:, :2], given[:, 2:]
        places, cells, sizes = grid(self.maps)
        return (places + 0.5) / cells, sizes

    def _joined(self, outputs: Outputs, names: Several) -> Predictions | None:
        """Return outputs as one, float32 (N, A, C); None where their shapes do not fit.

        Runtimes give the scores of one class as (A,).
        """
        arrays = [outputs.arrays[name] for name in names]
        if self.maps:
            return joined_rows(arrays, self.maps)
        arrays = [each[..., np.newaxis] if each.ndim == 2 else each for each in arrays]
        if any(each.ndim != 3 for each in arrays) or len({each.shape[2] for each in arrays}) > 1:
            return None
        return np.concatenate(arrays, axis=1)

    def _activated(self, scores: Predictions) -> Floats:
        if self.activation == "sigmoid":
            found: Floats = sigmoid(scores)
            return found
        if self.activation == "none":
            return scores.astype(np.float64)
        powers = np.exp(scores.astype(np.float64) - scores.max(axis=-1, keepdims=True))
        shares: Floats = powers / powers.sum(axis=-1, keepdims=True)
        return shares
