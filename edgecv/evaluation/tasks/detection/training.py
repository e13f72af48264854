"""Losses and scores of two maps for training, in TensorFlow: raw classes are logits."""

from typing import Any

from edgecv.core.keras_types import Tensor
from edgecv.models.tf import tensorflow

REACH = 0.75
"""Cells from the middle of a box, in both directions, whose middles learn it."""
FOCUS, POSITIVE = 2.0, 0.25
"""Gamma and alpha of the focal loss (Lin et al., 2017)."""
DISTANCE = 0.05
"""Weight of the distance of a corner from where it should be, in cells."""
SMALLEST = 1e-6


def loss_of(targets: Tensor, raw: Any) -> Tensor:
    """Focal loss of the classes, and 1 - GIoU of the boxes: (N, most, 5), two maps -> (N,).

    Both are sums over the cells, for each cell that learns a box. A little of the distance of the
    corners is added: a box without area has no gradient of its overlap.
    """
    logits, boxes = raw["classes"], raw["boxes"]
    classes, corners, learns = assigned(targets, boxes.shape[1:3])
    wanted = tensorflow.one_hot(classes, logits.shape[-1]) * learns[..., tensorflow.newaxis]
    entropy = tensorflow.nn.sigmoid_cross_entropy_with_logits(labels=wanted, logits=logits)
    chance = tensorflow.sigmoid(logits)
    far = tensorflow.abs(wanted - chance) ** FOCUS
    weight = wanted * POSITIVE + (1 - wanted) * (1 - POSITIVE)
    focal = tensorflow.reduce_sum(weight * far * entropy, axis=(1, 2, 3))
    given = _corners(boxes)
    far = DISTANCE * tensorflow.reduce_sum(tensorflow.abs(given - corners), axis=-1)
    apart = (1 - overlap_of(given, corners, generalized=True) + far) * learns
    count = tensorflow.maximum(1.0, tensorflow.reduce_sum(learns, axis=(1, 2)))
    return (focal + tensorflow.reduce_sum(apart, axis=(1, 2))) / count


def imitation_loss_of(teacher: Any, raw: Any, temperature: float) -> Tensor:
    """Divergence from the teacher's classes, and distance from its boxes: two maps each -> (N,).

    Cells count for the boxes as much as the teacher sees something there.
    """
    wanted, given = (each["classes"] / temperature for each in (teacher, raw))
    chance = tensorflow.sigmoid(wanted)
    cross = tensorflow.nn.sigmoid_cross_entropy_with_logits
    divergence = cross(labels=chance, logits=given) - cross(labels=chance, logits=wanted)
    weight = tensorflow.reduce_max(tensorflow.sigmoid(teacher["classes"]), axis=-1)
    far = tensorflow.reduce_mean(tensorflow.abs(teacher["boxes"] - raw["boxes"]), axis=-1)
    sums = (
        temperature**2 * tensorflow.reduce_sum(divergence, axis=(1, 2, 3)),
        tensorflow.reduce_sum(weight * far, axis=(1, 2)),
    )
    return sum(sums) / tensorflow.maximum(1.0, tensorflow.reduce_sum(weight, axis=(1, 2)))


def score_of(targets: Tensor, raw: Any) -> Tensor:
    """Chance of the right class times the overlap, where a box is learned: -> (N,)."""
    classes, corners, learns = assigned(targets, raw["boxes"].shape[1:3])
    chance = tensorflow.gather(tensorflow.sigmoid(raw["classes"]), classes, batch_dims=3)
    found = chance * overlap_of(_corners(raw["boxes"]), corners) * learns
    count = tensorflow.reduce_sum(learns, axis=(1, 2))
    score = tensorflow.reduce_sum(found, axis=(1, 2)) / tensorflow.maximum(1.0, count)
    return tensorflow.where(count > 0, score, 1.0)


def assigned(targets: Tensor, cells: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Return the box that each cell learns: class (N, H, W), corners (N, H, W, 4), and if it does.

    ``targets``: class and corners as fractions of the image. Corners are in cells. A cell learns
    the box that has its middle nearest, up to ``REACH`` cells away, which is 1.0 in the last array.
    """
    high, wide = cells
    corners = targets[:, tensorflow.newaxis, tensorflow.newaxis, :, 1:] * [wide, high, wide, high]
    middles = (corners[..., :2] + corners[..., 2:]) / 2
    places = _places(high, wide)[:, :, tensorflow.newaxis]
    far = tensorflow.reduce_max(tensorflow.abs(middles - places), axis=-1)
    is_box = targets[:, tensorflow.newaxis, tensorflow.newaxis, :, 0] >= 0
    far = tensorflow.where(is_box, far, far.dtype.max)
    nearest = tensorflow.argmin(far, axis=-1, output_type="int32")
    learns = tensorflow.cast(tensorflow.reduce_min(far, axis=-1) <= REACH, "float32")
    chosen = tensorflow.gather(targets, nearest, axis=1, batch_dims=1)
    own = chosen[..., 1:] * [wide, high, wide, high]
    return tensorflow.cast(tensorflow.maximum(chosen[..., 0], 0), "int32"), own, learns


def _corners(distances: Tensor) -> Tensor:
    """Return corners in cells of a map of distances: (N, H, W, 4) both."""
    places = _places(*distances.shape[1:3])
    ends = [places - distances[..., :2], places + distances[..., 2:]]
    return tensorflow.concat(ends, axis=-1)


def _places(high: int, wide: int) -> Tensor:
    """Return x and y of the middle of each cell: float32 (H, W, 2)."""
    sides = (tensorflow.range(each, dtype="float32") + 0.5 for each in (wide, high))
    return tensorflow.stack(tensorflow.meshgrid(*sides), axis=-1)


def overlap_of(one: Tensor, other: Tensor, *, generalized: bool = False) -> Tensor:
    """Return the intersection over union of boxes: (..., 4), (..., 4) -> (...).

    ``generalized``: less the part of the box around both that neither fills (GIoU, Rezatofighi et
    al., 2019), so that boxes that are apart come closer.
    """
    sides = [each[..., 2:] - each[..., :2] for each in (one, other)]
    areas = [tensorflow.reduce_prod(tensorflow.maximum(each, 0.0), axis=-1) for each in sides]
    low = tensorflow.maximum(one[..., :2], other[..., :2])
    high = tensorflow.minimum(one[..., 2:], other[..., 2:])
    both = tensorflow.reduce_prod(tensorflow.maximum(high - low, 0.0), axis=-1)
    union = tensorflow.maximum(areas[0] + areas[1] - both, SMALLEST)
    if not generalized:
        return both / union
    around = tensorflow.maximum(one[..., 2:], other[..., 2:]) - tensorflow.minimum(
        one[..., :2], other[..., :2]
    )
    whole = tensorflow.maximum(
        tensorflow.reduce_prod(tensorflow.maximum(around, 0.0), axis=-1), SMALLEST
    )
    return both / union - (whole - union) / whole
