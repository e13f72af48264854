"""Table and pictures of segmentation: each class, and the pixels that changed."""

import numpy as np

from edgecv.core.data import Images, Targets
from edgecv.evaluation.drawing import BETTER, OTHER, WORSE, draw_mask
from edgecv.evaluation.tasks.segmentation.maps import Maps

METHOD = (
    "mIoU: intersection over union of each class over the pixels of all images, averaged over the "
    "classes that the masks have. An image's score is that of its own pixels. A class is better or "
    "worse in an image by its IoU there, also where the mask has none of it; p is the exact sign "
    "test of these images, corrected by Holm's method for the number of classes."
)
DIMMED = 0.35


def changed_pixels(image: Images, before: Maps, after: Maps, mask: Targets | None) -> Images:
    """Return an image with the changed pixels marked beside it: uint8 (H, 2 W, 3).

    Maps and mask: uint8 (H, W); the mask is None where it is not known.
    """
    colours = np.broadcast_to(image, (*image.shape[:2], 3))
    marked = (colours.mean(axis=-1, keepdims=True) * DIMMED).repeat(3, axis=-1).astype(np.uint8)
    marked = draw_mask(marked, before != after, OTHER)
    if mask is not None:
        marked = draw_mask(marked, (before != after) & (after == mask), BETTER)
        marked = draw_mask(marked, (before != after) & (before == mask), WORSE)
    return np.concatenate([colours, marked], axis=1)
