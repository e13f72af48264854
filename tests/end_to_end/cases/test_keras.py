"""Keras files of kinds that tf-keras cannot rebuild, or that earlier versions refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import SHARED

import edgecv
from edgecv.core.errors import InputError
from edgecv.core.input_spec import InputSpec
from edgecv.evaluation.tasks.classification import Classification
from edgecv.evaluation.tasks.multilabel import Multilabel
from edgecv.formats.keras.importer import KerasFile
from edgecv.formats.keras.runtime import KerasSession
from edgecv.formats.onnx.weight_range import may_saturate
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
    if not may_saturate():
        assert found["int8.onnx"].value == pytest.approx(0.8778, abs=0.005)
    assert any("was trained with quantizers" in note for note in report.notes)


def test_a_technique_is_refused_for_a_graph_without_layers(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="prune cannot be applied") as caught:
        compress("vit.keras", tmp_path, prune="0.5", name="pruned")
    assert "every quantize=" in caught.value.accepted
    assert not list(tmp_path.glob("*/report.json"))


def test_several_sigmoids_are_no_classifier() -> None:
    with pytest.raises(InputError, match="ends in a sigmoid"):
        adapt(CASES / "multilabel.keras", InputSpec(), NO_TRUST, Classification())


def test_a_softmax_gives_one_label() -> None:
    with pytest.raises(InputError, match="of one class an image"):
        adapt(CASES / "conv_bn_tanh.keras", InputSpec(), NO_TRUST, Multilabel())


def test_half_precision_is_said() -> None:
    _, notes = KerasFile().load_with_notes(CASES / "mixed_float16.h5")
    assert "mixed_float16 of the original became float32" in notes
