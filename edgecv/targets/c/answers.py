"""Inputs of a file as it stores them, an image at a time."""

from typing import Any

from numpy.typing import NDArray

from edgecv.core.data import Images
from edgecv.core.errors import InputError
from edgecv.core.plugins import DeployedFile
from edgecv.formats.image_input import pixel_encoder


def encoded(file: DeployedFile, images: Images) -> NDArray[Any]:
    """Return images as the file takes them: uint8 (N, H, W, C) -> (N, ...)."""
    facts = file.facts
    return pixel_encoder(facts.input, facts.axes, file.preprocess, facts.image[2])(images)


def check_one_image(file: DeployedFile, target: str) -> None:
    """Raise InputError for a file that takes several images at once: a board has one."""
    if file.facts.batch > 1:
        raise InputError(
            str(file.path),
            f"takes {file.facts.batch} images at once, and {target} runs one",
            accepted="a batch of 1",
            remedy="convert the model again with a batch of 1, or --to bundle",
        )
