"""Inputs of a file as it stores them."""

from typing import Any

from numpy.typing import NDArray

from edgecv.core.data import Images
from edgecv.core.plugins import DeployedFile
from edgecv.formats.image_input import pixel_encoder


def encoded(file: DeployedFile, images: Images) -> NDArray[Any]:
    """Return images as the file takes them: uint8 (N, H, W, C) -> (N, ...)."""
    facts = file.facts
    return pixel_encoder(facts.input, facts.axes, file.preprocess, facts.image[2])(images)
