"""A U-Net that somebody else made: which pixels are bright, by one sigmoid a pixel."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from paths import SHARED
from PIL import Image

from edgecv.core.data import Dataset, Split
from edgecv.core.input_spec import InputSpec
from edgecv.core.registry import EXPORTERS
from edgecv.core.targets import together
from edgecv.evaluation.tasks.segmentation import Segmentation
from edgecv.formats.keras.runtime import KerasSession
from edgecv.formats.trust import NO_TRUST
from edgecv.pipeline.conversion.adapt_model import adapt
from edgecv.pipeline.task_choice import choose_task
from edgecv.system.isolation import ModelClient

CASE, PICTURES = SHARED / "cases" / "unet.keras", SHARED / "data" / "cifar10-images.zip"
pytestmark = pytest.mark.skipif(not CASE.exists(), reason="needs the handed cases")
TASK, IMAGES, BRIGHT = Segmentation(), 200, 128


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Return test images of four classes, with masks of their bright pixels."""
    with zipfile.ZipFile(PICTURES) as archive:
        names = [
            each
            for each in archive.namelist()
            if each.startswith("test/") and each.split("/")[1] in ("cat", "dog", "ship", "truck")
        ]
        chosen = names[:: len(names) // IMAGES][:IMAGES]
        opened = [Image.open(archive.open(each)).convert("RGB") for each in chosen]
        images = np.stack([np.asarray(each) for each in opened])
    masks = (images.mean(axis=-1) > BRIGHT).astype(np.uint8)
    split = Split(images, together({"mask": masks}), "0")
    return Dataset("bright", ("dark", "bright"), split, split, split, split)


def test_masks_and_a_map_are_segmentation(data: Dataset) -> None:
    task, notes = choose_task(data, [(32, 32, 1)], "sigmoid", "unet.keras")
    assert task == TASK
    assert notes == ("the model gives 32x32x1 numbers an image: segmentation",)


def test_its_iou_is_that_of_its_maker_and_int8_keeps_it(data: Dataset, tmp_path: Path) -> None:
    adapted = adapt(CASE, InputSpec(), NO_TRUST, TASK)
    assert adapted.facts.ending == "sigmoid"
    masks, images = TASK.of_task(data).test.labels, data.test.images
    reference = KerasSession(adapted.model).predict(images)
    assert TASK.metric(reference, masks) == pytest.approx(0.875, abs=0.02)
    assert TASK.proof(reference, masks).holds
    for name, runtime in (("tflite", "litert"), ("onnx", "onnxruntime")):
        path = tmp_path / f"int8.{name}"
        EXPORTERS.classes[name](precision="int8").export(adapted.model, images[:50], path)
        with ModelClient(runtime, 1) as worker:
            found = worker.predict(path, images)
        assert TASK.metric(found, masks) == pytest.approx(TASK.metric(reference, masks), abs=0.005)
        assert TASK.same_answer(found, reference).all()
