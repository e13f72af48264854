"""The page of a C project."""

from string import Template

import numpy as np

from edgecv.core.plugins import DeployedFile
from edgecv.core.preprocessing import affine_of
from edgecv.core.text import printable
from edgecv.formats.tflite.operators import TFLiteTensor
from edgecv.targets.c.project import PlacedProgram, template

EXACT = {
    "int8": "Every int8 output is byte for byte that of LiteRT's {kernels} kernels.",
    "float32": "float32 outputs are within 1e-5 of the largest of LiteRT's {kernels} kernels.",
}


def page(file: DeployedFile, layout: PlacedProgram) -> str:
    """Return README.md of a project."""
    tables = layout.program.tables
    is_float = any(
        each.type == "float32" for step in layout.program.steps for each in step.operator.outputs
    )
    exact = EXACT["float32" if is_float else "int8"]
    return Template(template("README.md")).substitute(
        title=printable(str(file.origin.get("run", file.path.stem))),
        arena=f"{layout.arena:,}",
        constants=f"{layout.constant_bytes:,}",
        image=_image_text(file) + _codes_text(file, tables.inputs[0]),
        exact=exact.format(kernels=layout.program.arithmetic),
        inputs="\n".join(
            f"| `EDGECV_INPUT_{n}` | {t.type} | {list(t.shape)} |"
            for n, t in enumerate(tables.inputs)
        ),
        outputs="\n".join(
            f"| `EDGECV_OUTPUT_{n}` | {t.type} | {list(t.shape)} |"
            for n, t in enumerate(tables.outputs)
        ),
        labels="\n".join(f"{n}. {printable(name)}" for n, name in enumerate(file.labels)),
    )


def _image_text(file: DeployedFile) -> str:
    """Say how an image enters: its size, the order of its numbers, their arithmetic."""
    height, width, channels = file.facts.image
    scale, offset, order = affine_of(file.preprocess, channels, str(file.path))
    colours = "".join("RGB"[place] for place in order) if channels == len("RGB") else "grey"
    numbers = "the pixels, 0 to 255"
    if scale.tolist() != [1] * channels or offset.any():
        factors, sums = (", ".join(f"{n:g}" for n in part) for part in (scale, offset))
        numbers = f"pixels of 0 to 255 times {factors} plus {sums} by channel"
    return (
        f"An image has {height}x{width} pixels ({colours}) in the order {file.facts.axes}, the last"
        f" axis fastest. Its real numbers are {numbers}. Photographs of another size are resized by"
        f" bilinear interpolation ({file.resize})."
    )


def _codes_text(file: DeployedFile, tensor: TFLiteTensor) -> str:
    """Say how a byte of a camera becomes a number of the input, where that needs no arithmetic."""
    if tensor.type not in ("int8", "uint8") or len(tensor.scales) != 1:
        return ""
    _, _, channels = file.facts.image
    scale, offset, _ = affine_of(file.preprocess, channels, str(file.path))
    bytes_ = np.arange(256)[:, None]
    codes = np.round((bytes_ * scale + offset) / tensor.scales[0]) + (tensor.zero_point or 0)
    for shift, text in ((0, "the byte itself"), (-128, "the byte minus 128")):
        if (codes == bytes_ + shift).all():
            return f" The number to store for a byte of a camera is {text}."
    return ""
