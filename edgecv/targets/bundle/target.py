"""The bundle: a folder that people take to a device, with everything that the file needs."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np

from edgecv.core.plugins import DeployContext, DeployedFile, Target
from edgecv.formats.image_input import pixel_encoder
from edgecv.system.storage import write_bytes, write_json
from edgecv.targets.bundle.card import FILE, card
from edgecv.targets.bundle.metadata import labels_text, with_metadata
from edgecv.targets.bundle.page import PROGRAM, examples, page
from edgecv.targets.bundle.process import BundleProcess


class Bundle(Target):
    """A folder or .zip for people: file, labels, golden images, a program, examples, a page."""

    name: ClassVar[str] = "bundle"
    formats: ClassVar[tuple[str, ...]] = ("tflite", "onnx")

    def build(self, file: DeployedFile, folder: Path) -> None:
        """Write everything into the folder."""
        content = file.path.read_bytes()
        if file.artifact.format == "tflite":
            content = with_metadata(content, file)
        write_bytes(folder / f"{FILE}.{file.artifact.format}", content)
        write_bytes(folder / "labels.txt", labels_text(file).encode())
        table = card(file, content)
        write_json(folder / "model.json", table)
        write_json(folder / "origin.json", file.origin)
        shutil.copyfile(PROGRAM / "predict.py", folder / "predict.py")
        write_golden(file, folder / "golden")
        for name, text in (*examples(file, table), ("README.md", page(file, table))):
            write_bytes(folder / name, text.encode())

    @contextmanager
    def open(
        self, file: DeployedFile, folder: Path, context: DeployContext
    ) -> Iterator[BundleProcess]:
        """Run the bundle's own program, which imports nothing of edgecv."""
        yield BundleProcess(file, folder, context)


def write_golden(file: DeployedFile, folder: Path) -> None:
    """Write each golden image as PNG, its bytes as input, and the bytes of each output for it."""
    from PIL import Image

    facts = file.facts
    encode = pixel_encoder(facts.input, facts.axes, file.preprocess, facts.image[2])
    folder.mkdir()
    for number, image in enumerate(file.golden):
        pixels = image[:, :, 0] if image.shape[2] == 1 else image
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
        write_bytes(
            folder / f"{number:02}.input.bin",
            encode(np.stack([image] * max(1, facts.batch))).tobytes(),
        )
        for place, values in enumerate(file.golden_outputs):
            write_bytes(folder / f"{number:02}.output{place}.bin", values[number].tobytes())
