"""The page of a C project."""

from collections.abc import Iterator, Sequence
from string import Template

import numpy as np

from edgecv.core.artifact import TensorFacts
from edgecv.core.plugins import DeployedFile
from edgecv.core.preprocessing import affine_of
from edgecv.core.text import printable
from edgecv.formats.tflite.operators import TFLiteTensor
from edgecv.targets.c.project import PlacedProgram, template

EXACT = {
    "int8": "Every int8 output is byte for byte that of LiteRT's {kernels} kernels.",
    "float32": "float32 outputs are within 1e-5 of the largest of LiteRT's {kernels} kernels.",
}
CODES = {
    "pixels[i]": " The number to store for a byte of a camera is the byte itself.",
    "pixels[i] - 128": " The number to store for a byte of a camera is the byte minus 128.",
}
PIXELS_IN_ROWS = ("NHWC", "HWC", "NHW", "HW")
"""Axes of an image whose bytes lie as those of a camera do."""


def page(file: DeployedFile, layout: PlacedProgram) -> str:
    """Return README.md of a project."""
    tables = layout.program.tables
    is_float = any(
        each.type == "float32" for step in layout.program.steps for each in step.operator.outputs
    )
    exact = EXACT["float32" if is_float else "int8"]
    code = _code_of_byte(file, tables.inputs[0])
    facts = file.facts
    return Template(template("README.md")).substitute(
        title=printable(str(file.origin.get("run", file.path.stem))),
        arena=f"{layout.arena:,}",
        constants=f"{layout.constant_bytes:,}",
        image=_image_text(file) + CODES.get(code, ""),
        fill=_fill(file, code),
        exact=exact.format(kernels=layout.program.arithmetic),
        inputs="\n".join(_ends("INPUT", [facts.input], tables.inputs)),
        outputs="\n".join(_ends("OUTPUT", facts.outputs, tables.outputs)),
        labels="".join(_names(file)),
    )


def _ends(
    kind: str, facts: Sequence[TensorFacts], tensors: Sequence[TFLiteTensor]
) -> Iterator[str]:
    """Yield a row for each input or output."""
    for number, (each, tensor) in enumerate(zip(facts, tensors, strict=True)):
        name = f"| `EDGECV_{kind}_{number}` | {printable(each.name)}"
        yield f"{name} | {tensor.type} | {list(tensor.shape)} |"


def _names(file: DeployedFile) -> Iterator[str]:
    """Yield the names of the numbers of each output that has some."""
    for number in range(len(file.facts.outputs)):
        if names := file.names_of(number):
            yield f"\n## Numbers of `EDGECV_OUTPUT_{number}`\n"
            yield from (f"{n}. {printable(name)}\n" for n, name in enumerate(names))


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


def _code_of_byte(file: DeployedFile, tensor: TFLiteTensor) -> str:
    """Return C that makes a number of the input of a byte of a camera; "" where it takes more."""
    _, _, channels = file.facts.image
    scale, offset, order = affine_of(file.preprocess, channels, str(file.path))
    if list(order) != list(range(channels)) or file.facts.axes not in PIXELS_IN_ROWS:
        return ""
    codes = bytes_ = np.arange(256)[:, None]
    if tensor.type in ("int8", "uint8") and len(tensor.scales) == 1:
        real = (bytes_ * scale + offset) / tensor.scales[0]
        codes = np.round(real) + (tensor.zero_point or 0)
    elif tensor.type == "float32":
        codes = bytes_ * scale + offset
    else:
        return ""
    shifts = {0: "pixels[i]", -128: "pixels[i] - 128"}
    return next((code for shift, code in shifts.items() if (codes == bytes_ + shift).all()), "")


def _fill(file: DeployedFile, code: str) -> str:
    """Return C that fills the input: a loop over the bytes of a camera, where that is enough."""
    if not code:
        return (
            "/* Fill input with EDGECV_INPUT_0_ELEMENTS numbers:"
            " real = EDGECV_INPUT_0_SCALE * (stored - EDGECV_INPUT_0_ZERO_POINT). */"
        )
    bytes_ = " x ".join(map(str, file.facts.image))
    return (
        f"for (int i = 0; i < EDGECV_INPUT_0_ELEMENTS; i++) {{ /* uint8_t pixels[{bytes_}] */\n"
        f"    input[i] = (EDGECV_INPUT_0_TYPE)({code});\n}}"
    )
