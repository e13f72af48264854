"""Inputs of a file as it stores them, and the answers of LiteRT's kernels to them."""

from typing import Any

from numpy.typing import NDArray

from edgecv.core.data import Images
from edgecv.core.plugins import DeployedFile
from edgecv.formats.image_input import pixel_encoder
from edgecv.formats.tensors import encode_output
from edgecv.system.isolation import ModelClient


def encoded(file: DeployedFile, images: Images) -> NDArray[Any]:
    """Return images as the file takes them: uint8 (N, H, W, C) -> (N, ...)."""
    facts = file.facts
    return pixel_encoder(facts.input, facts.axes, file.preprocess, facts.image[2])(images)


def litert_answers(file: DeployedFile, images: Images, kernels: str) -> list[NDArray[Any]]:
    """Return what LiteRT's kernels give for images, as the file stores it: each output (N, ...)."""
    with ModelClient("litert", 1, options={"kernels": kernels}) as client:
        outputs = client.predict(file.path, images, input_spec=file.input_spec)
    return [
        encode_output(outputs.arrays[each.name], each, str(file.path))
        for each in file.facts.outputs
    ]
