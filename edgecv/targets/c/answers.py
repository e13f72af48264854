"""Inputs of a file as it stores them, an image at a time."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Images
from edgecv.core.errors import InputError
from edgecv.core.plugins import DeployedFile
from edgecv.formats.image_input import pixel_encoder


def encoded(file: DeployedFile, images: Images) -> NDArray[Any]:
    """Return images as the file takes them, a row each: uint8 (N, H, W, C) -> (N, numbers).

    They are encoded one by one: a file whose batch is not its first axis takes no several.
    """
    facts = file.facts
    encode = pixel_encoder(facts.input, facts.axes, file.preprocess, facts.image[2])
    rows = [encode(images[n : n + 1]).reshape(-1) for n in range(len(images))]
    return np.stack(rows) if rows else np.empty((0, 0), facts.input.type)


def check_one_image(file: DeployedFile, target: str) -> None:
    """Raise InputError for a file that takes several images at once: a board has one."""
    if file.facts.batch > 1:
        raise InputError(
            str(file.path),
            f"takes {file.facts.batch} images at once, and {target} runs one",
            accepted="a batch of 1",
            remedy="convert the model again with a batch of 1, or --to bundle",
        )
