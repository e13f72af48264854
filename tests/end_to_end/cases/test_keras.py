"""Keras files of kinds that tf-keras cannot rebuild, or that earlier versions refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import SHARED

import edgecv
from edgecv.core.errors import InputError
from edgecv.core.input_spec import InputSpec
from edgecv.formats.keras.importer import KerasFile
from edgecv.formats.keras.runtime import KerasSession
from edgecv.formats.trust import NO_TRUST
from edgecv.pipeline.conversion.adapt_model import adapt

CASES = SHARED / "cases"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="needs the handed cases")


def accuracy_of(name: str) -> float:
    data = np.load(CASES / "digits32.npz")
    adapted = adapt(CASES / name, InputSpec(), NO_TRUST)
    found = KerasSession(adapted.model).predict(data["x_test"]).only.argmax(axis=1)
    return float(np.mean(found == data["y_test"].ravel()))


@pytest.mark.parametrize(
    ("name", "accuracy"),
    [
        ("vit.keras", 0.982),
        ("keras3.h5", 0.949),
        ("mixed_float16.h5", 0.931),
        ("conv_bn_tanh.keras", 0.971),
        ("already_qat.h5", 0.8778),
    ],
)
def test_a_file_has_the_accuracy_of_its_maker(name: str, accuracy: float) -> None:
    assert accuracy_of(name) == pytest.approx(accuracy, abs=0.001)


def compress(case: str, folder: Path, **options: Any) -> Any:
    return edgecv.compress(
        CASES / case, data=CASES / "digits32.npz", preprocess="0..255", output=folder, **options
    )


def test_trained_ranges_go_into_int8_files(tmp_path: Path) -> None:
    report = compress("already_qat.h5", tmp_path, quantize="int8", name="trained")
    found = {each.artifact.path: each for each in report.comparisons}
    assert found["float32.tflite"].agreement == found["float32.onnx"].agreement == 1
    assert found["int8.tflite"].value == pytest.approx(0.8778, abs=0.005)
    assert found["int8.onnx"].value == pytest.approx(0.8778, abs=0.005)
    assert any("was trained with quantizers" in note for note in report.notes)


def test_a_technique_is_refused_for_a_graph_without_layers(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="prune cannot be applied") as caught:
        compress("vit.keras", tmp_path, prune="0.5", name="pruned")
    assert "every quantize=" in caught.value.accepted
    assert not list(tmp_path.glob("*/report.json"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("two_outputs.keras", "1 input and 2 outputs"),
        ("binary_sigmoid.keras", r"outputs of shape \(None, 1\)"),
        ("binary_logit.keras", r"outputs of shape \(None, 1\)"),
        ("multilabel.keras", "ends in a sigmoid"),
        ("regression.keras", r"outputs of shape \(None, 1\)"),
        ("unet.keras", r"outputs of shape \(None, 32, 32, 1\)"),
    ],
)
def test_a_model_of_another_task_is_refused_by_name(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        adapt(CASES / name, InputSpec(), NO_TRUST)


def test_half_precision_is_said() -> None:
    _, notes = KerasFile().load_with_notes(CASES / "mixed_float16.h5")
    assert "mixed_float16 of the original became float32" in notes
