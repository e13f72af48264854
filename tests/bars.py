"""Images of two classes that a tiny model learns within seconds."""

import numpy as np

from edgecv.core.data import Shape, Split


def bars(images: int, seed: int, shape: Shape) -> Split:
    """Make images that are bright in one half, which is their class: top or bottom."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, images)
    pixels = random.integers(0, 100, (images, *shape)).astype(np.uint8)
    half = shape[0] // 2
    for image, label in zip(pixels, labels, strict=True):
        image[half * label : half * label + half] += 100
    return Split(pixels, labels, str(seed))
