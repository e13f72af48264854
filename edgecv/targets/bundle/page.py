"""The page and the examples of a bundle."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

from edgecv.core.plugins import DeployedFile
from edgecv.core.text import counted, printable

PROGRAM = Path(__file__).parent / "program"
EXAMPLES = {
    "example.cpp": "C++ against LiteRT's C API: it runs the golden images and compares the bytes",
    "Example.kt": "Kotlin against LiteRT's Interpreter, for Android; it was not compiled here",
}
FITS = {
    "stretch": "stretched to that shape",
    "crop": "cropped around the middle first",
    "pad": "padded with black",
}
TITLES = {"litert": "A TFLite model, for LiteRT,", "onnxruntime": "An ONNX model"}
PACKAGES = {"litert": "ai-edge-litert", "onnxruntime": "onnxruntime"}
LITERT = """import numpy as np
from ai_edge_litert.interpreter import Interpreter

model = Interpreter("{file}")
takes = model.get_input_details()[0]
stored = np.fromfile("golden/00.input.bin", "{type}").reshape({shape})
model.resize_tensor_input(takes["index"], stored.shape)
model.allocate_tensors()
model.set_tensor(takes["index"], stored)
model.invoke()
for gives in model.get_output_details():
    print(gives["name"], model.get_tensor(gives["index"]))"""
ONNX = """import numpy as np
import onnxruntime

model = onnxruntime.InferenceSession("{file}", providers=["CPUExecutionProvider"])
stored = np.fromfile("golden/00.input.bin", "{type}").reshape({shape})
for gives, found in zip(model.get_outputs(), model.run(None, {{{name!r}: stored}})):
    print(gives.name, found)"""


def examples(file: DeployedFile, card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and text of each example, for a .tflite file; ``card`` is its ``model.json``."""
    if file.artifact.format == "tflite":
        shape = ", ".join(map(str, card["inputs"][0]["shape"]))
        for name in EXAMPLES:
            text = (PROGRAM / name).read_text("utf-8")
            yield name, Template(text).substitute(shape=shape)


def page(file: DeployedFile, card: Mapping[str, Any]) -> str:
    """Return README.md of a bundle; ``card`` is its ``model.json``."""
    takes = card["inputs"][0]
    height, width, channels = takes["image"]
    is_tflite = card["runtime"] == "litert"
    plain = (LITERT if is_tflite else ONNX).format(file=card["file"], **takes)
    rows = [f"| `{name}` | {text} |\n" for name, text in EXAMPLES.items() if is_tflite]
    is_named = card["task"]["task"] == "classification"
    return Template((PROGRAM / "README.md").read_text("utf-8")).substitute(
        title=printable(str(file.origin.get("run", file.path.stem))),
        summary=f"{TITLES[card['runtime']]} of {card['bytes']:,} bytes,"
        f" {card['precision'] or 'of another maker'}, for images of {height}x{width}:"
        f" {card['task']['task']}{_named(file)}. Made by edgecv.",
        package=PACKAGES[card["runtime"]],
        count=len(file.golden),
        height=height,
        width=width,
        channels=channels,
        labelled=", model.labels[outputs[0][0].argmax()]" if is_named else "",
        plain=plain,
        input_name=printable(takes["name"]),
        input_type=takes["type"],
        input_shape=takes["shape"],
        axes=takes["axes"],
        pixels=_pixels(takes),
        fit=FITS[file.resize],
        outputs="\n".join(_output(each) for each in card["outputs"]),
        file=card["file"],
        metadata=", with labels and normalization as TFLite metadata (and as a zip: `unzip`)"
        if is_tflite
        else "",
        examples="".join(rows),
    )


def _named(file: DeployedFile) -> str:
    """Return how many names there are, where there are any."""
    if file.labels:
        return f", {counted(len(file.labels), 'name')}"
    several = [f"{len(each)} of {printable(name)}" for name, each in file.names.items() if each]
    return f", names: {', '.join(several)}" if several else ""


def _pixels(takes: Mapping[str, Any]) -> str:
    """Return the way from a pixel to a value of the input."""
    order = {"grey": "grey", "RGB": "RGB"}.get(
        takes["channels"], f"in the order {takes['channels']}"
    )
    text = f"Pixels are {takes['pixels']}, {order}"
    is_plain = set(takes["pixel_scale"]) == {1.0} and set(takes["pixel_offset"]) == {0.0}
    real = "pixel"
    if not is_plain:
        real = "(pixel x scale + offset)"
        text += f"; scale {takes['pixel_scale']}, offset {takes['pixel_offset']} a channel"
    if takes["scale"] is None:
        return f"{text}. A value is {real.strip('()')}."
    if takes["scale"] == 1 and not takes["zero_point"] and is_plain:
        return f"{text}: the bytes themselves, without any arithmetic."
    if takes["scale"] == 1 and is_plain:
        return f"{text}. A value is the byte minus {-takes['zero_point']}."
    return f"{text}. A value is round({real} / {takes['scale']:.9g}) + {takes['zero_point'] or 0}."


def _output(gives: Mapping[str, Any]) -> str:
    text = f"- **Output** `{printable(gives['name'])}`: `{gives['type']}` of shape {gives['shape']}"
    if gives["scale"] is not None:
        shift = f"{-(gives['zero_point'] or 0):+}"
        text += f"; a number is {gives['scale']:.9g} x (stored {shift[0]} {shift[1:]})"
    if gives["activation"]:
        text += f"; its {gives['activation'].lower()} makes probabilities"
    return f"{text}. It gives {gives['meaning']}."
