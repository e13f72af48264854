"""Inputs of a file as it stores them, and the answers of LiteRT's kernels to them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Images, Outputs
from edgecv.core.plugins import DeployedFile
from edgecv.formats.image_input import pixel_encoder
from edgecv.formats.tensors import encode_output
from edgecv.system.isolation import ModelClient


def encoded(file: DeployedFile, images: Images) -> NDArray[Any]:
    """Return images as the file takes them: uint8 (N, H, W, C) -> (N, ...)."""
    facts = file.facts
    return pixel_encoder(facts.input, facts.axes, file.preprocess, facts.image[2])(images)


def litert_outputs(file: DeployedFile, images: Images, kernels: str) -> Outputs:
    """Return what LiteRT's kernels give for images: float32 (N, ...)."""
    with ModelClient("litert", 1, options={"kernels": kernels}) as client:
        return client.predict(file.path, images, input_spec=file.input_spec)


def exactness(file: DeployedFile, images: Images, found: Outputs, kernels: str) -> str:
    """Say how many answers are those of LiteRT's kernels, whose arithmetic the C has."""
    wanted, count = litert_outputs(file, images, kernels), len(images)
    same = np.ones(count, bool)
    for name, values in found.arrays.items():
        same &= (values == wanted.arrays[name]).reshape(count, -1).all(axis=1)
    return (
        f"{int(same.sum()):,} of {count:,} answers are byte for byte those of LiteRT's {kernels}"
        " kernels on this machine"
    )


def litert_answers(file: DeployedFile, images: Images, kernels: str) -> list[NDArray[Any]]:
    """Return what LiteRT's kernels give for images, as the file stores it: each output (N, ...)."""
    outputs = litert_outputs(file, images, kernels)
    return [
        encode_output(outputs.arrays[each.name], each, str(file.path))
        for each in file.facts.outputs
    ]
