"""Examples in Python that run a file of a run on a photograph."""

import json

from edgecv.core.artifact import TensorFacts
from edgecv.core.comparison import Comparison
from edgecv.core.report import Report
from edgecv.evaluation.task_of import task_of

SIZE = "({width}, {height}), Image.Resampling.BILINEAR"
RESIZED = {
    "stretch": f"photo.resize({SIZE})",
    "crop": f"ImageOps.fit(photo, {SIZE})",
    "pad": f"ImageOps.pad(photo, {SIZE})",
}
"""Expressions that give a photograph the size of the input, as the images of the run got it."""
MODES = {1: "L", 3: "RGB"}
"""Pillow's names of images by their channels."""
IMAGE = """import numpy as np
{runtime}
from PIL import Image, ImageOps

photo = Image.open("photo.jpg")
photo.draft(None, ({enough}, {enough}))  # A large JPEG is reduced while it is decoded.
photo = ImageOps.exif_transpose(photo).convert("{mode}")
photo = {resized}
image = np.asarray(photo).reshape(1, {height}, {width}, {channels})  # bytes, 0 to 255
"""
LITERT = """model = Interpreter({file})
model.allocate_tensors()
takes = model.get_input_details()[0]
model.set_tensor(takes["index"], {stored})
model.invoke()
for name, gives in zip({names}, model.get_output_details()):
    scale, zero_point = gives["quantization"]
    stored = model.get_tensor(gives["index"])[0].astype(np.float32)
    print(name, (stored - zero_point) * (scale or 1))"""
ONNX = """session = onnxruntime.InferenceSession({file}, providers=["CPUExecutionProvider"])
outputs = {outputs}
found = session.run(list(outputs), {{{name}: {stored}}})
for (name, (scale, zero_point)), stored in zip(outputs.items(), found):
    print(name, (stored[0].astype(np.float32) - zero_point) * scale)"""

BEST = """
print(open("labels.txt").read().splitlines()[stored.argmax()])"""
"""Prints the likeliest class of one output, with the names that lie beside the file."""


def snippets(report: Report) -> list[tuple[str, str, str]]:
    """Return file, packages and program for each candidate whose input is an image as bytes."""
    if "export" not in report.recipe:
        return []  # A file of another maker, whose input may be anything.
    candidates = [each for each in report.files if not each.is_twin]
    packages = {"tflite": "ai-edge-litert", "onnx": "onnxruntime"}
    known = [each for each in candidates or report.files if each.artifact.format in packages]
    resize = report.recipe.get("data", {}).get("resize", "stretch")
    if not isinstance(resize, str) or resize not in RESIZED:
        return []  # The data is of a plug-in that places images in a way of its own.
    best = BEST if task_of(report).name == "classification" else ""
    found = [(each, _program(each, resize, best)) for each in known]
    return [
        (each.artifact.path, f"numpy pillow {packages[each.artifact.format]}", program)
        for each, program in found
        if program and each.artifact.format in packages
    ]


def _program(comparison: Comparison, resize: str, best: str) -> str:
    """Return a program, "" where the input is no image of one or three channels.

    ``best``: what prints the class where one output has a number for each.
    """
    is_tflite, takes = comparison.artifact.format == "tflite", comparison.input
    if len(takes.shape) != 4 or takes.shape[3] not in MODES:
        return ""
    _, height, width, channels = takes.shape
    runtime = "from ai_edge_litert.interpreter import Interpreter"
    image = IMAGE.format(
        runtime=runtime if is_tflite else "import onnxruntime",
        mode=MODES[channels],
        enough=2 * max(width, height),
        resized=RESIZED[resize].format(width=width, height=height),
        height=height,
        width=width,
        channels=channels,
    )
    outputs = {
        each.name: (1.0 if each.scale is None else each.scale, each.zero_point or 0)
        for each in (comparison.output, *comparison.further_outputs)
    }
    has_classes = len(outputs) == 1 and comparison.output.shape[-1] > 1
    program = (LITERT if is_tflite else ONNX).format(
        names=list(outputs),
        file=json.dumps(comparison.artifact.path),
        stored=_stored(takes),
        name=json.dumps(takes.name),
        outputs=outputs,
    )
    return image + program + best * has_classes


def _stored(takes: TensorFacts) -> str:
    """Return the expression of the bytes of an image as an input stores them."""
    if takes.scale is None or (takes.scale == 1 and not takes.zero_point):
        return f"image.astype(np.{takes.type})"
    if (takes.type, takes.scale, takes.zero_point) == ("int8", 1, -128):
        return "(image ^ 0x80).view(np.int8)"
    real = f"np.rint(image / {takes.scale:.9g}) + {takes.zero_point or 0}"
    limits = f"np.iinfo(np.{takes.type}).min, np.iinfo(np.{takes.type}).max"
    return f"np.clip({real}, {limits}).astype(np.{takes.type})"
