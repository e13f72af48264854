"""``edgecv validate`` of files of other makers: one report, whatever each of them expects."""

from pathlib import Path

import numpy as np
import onnx_files
import pytest
from paths import HOSTILE
from PIL import Image

import edgecv
from edgecv.core.errors import InputError


def test_logits_and_probabilities_are_compared(labelled: Path, tmp_path: Path) -> None:
    kinds = ("logits", "softmax", "log", "map")
    files = [onnx_files.mean_colour(tmp_path / f"{each}.onnx", ends_in=each) for each in kinds]
    report = edgecv.validate(files, data=labelled, baseline=files[1], preprocess="-1..1")
    assert report.outcome == "passed"
    for kind, each in zip(kinds, report.comparisons, strict=True):
        assert each.value == 1.0
        assert each.agreement == 1.0
        assert each.max_probability_difference < 1e-4  # type: ignore[operator]
        is_told = "it gives logits: a softmax is taken of them" in each.artifact.notes
        assert is_told == (kind != "softmax")


def test_what_is_neither_is_a_line(labelled: Path, tmp_path: Path) -> None:
    import onnx

    path = onnx_files.mean_colour(tmp_path / "a.onnx", ends_in="softmax")
    model = onnx.load(path)
    for node in model.graph.node:
        if node.op_type == "Softmax":
            node.op_type = "Sigmoid"
            del node.attribute[:]
    onnx.save(model, path)
    report = edgecv.validate(path, data=labelled, preprocess="-1..1")
    (gate,) = report.gates
    assert "neither probabilities of one class nor logits" in gate.reason


def test_a_file_that_nothing_judges_has_passed_nothing(labelled: Path, tmp_path: Path) -> None:
    """It was PASSED, with exit code 0, for having run."""
    path = onnx_files.mean_colour(tmp_path / "a.onnx", ends_in="softmax")
    pile = tmp_path / "pile"
    pile.mkdir()
    with np.load(labelled) as arrays:
        for number, image in enumerate(arrays["x_test"]):
            Image.fromarray(image).save(pile / f"{number}.png")
    given = {"preprocess": "-1..1"}
    report = edgecv.validate(path, data=pile, **given)  # type: ignore[arg-type]
    assert report.outcome == "inconclusive"
    assert "the images have no labels, and there is no baseline" in str(report.gates[0].reason)
    limited = edgecv.validate(path, data=pile, max_size="1MB", **given)  # type: ignore[arg-type]
    assert limited.outcome == "passed"
    for judged in ({"data": labelled}, {"data": pile, "baseline": path}):
        assert edgecv.validate(path, **judged, **given).outcome == "passed"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preprocess": "0..2"}, 'preprocess: unknown preprocessing "0..2"'),
        ({"layout": "chw"}, 'layout: "chw"; accepted: nchw, nhwc'),
        ({"input_size": "64"}, 'input_size: "64"; accepted: HEIGHTxWIDTH'),
        ({"input_size": "0x9"}, 'input_size: "0x9"'),
    ],
)
def test_wrong_flags_are_refused(options: dict[str, str], message: str, tmp_path: Path) -> None:
    path = onnx_files.mean_colour(tmp_path / "a.onnx")
    with pytest.raises(InputError) as caught:
        edgecv.validate(path, data="digits", **options)  # type: ignore[arg-type]
    assert message in str(caught.value)


@pytest.mark.slow
@pytest.mark.skipif(not HOSTILE.is_dir(), reason=f"needs {HOSTILE}, which is not part of this")
def test_files_that_kill_a_runtime_are_a_line_each(labelled: Path, tmp_path: Path) -> None:
    good = onnx_files.mean_colour(tmp_path / "good.onnx")
    hostile = sorted(HOSTILE.glob("*.onnx")) + sorted(HOSTILE.glob("*.tflite"))
    chosen = [path for path in hostile if "hang" not in path.name]  # Its time limit is minutes.
    report = edgecv.validate([*chosen, good], data=labelled, baseline=good, preprocess="-1..1")
    (comparison,) = report.comparisons
    assert comparison.artifact.path == str(good)
    assert comparison.value == 1.0
    reasons = {gate.artifact: gate.reason for gate in report.gates if gate.name == "runs"}
    assert set(reasons) == {str(path) for path in chosen}
    assert all(reason and "\n" not in reason for reason in reasons.values())


def test_bytes_of_any_scale_are_compared_with_floats(labelled: Path, tmp_path: Path) -> None:
    """Files that say what they expect need no flag beside one that is told by it."""
    twin = onnx_files.mean_colour(tmp_path / "a.onnx", ends_in="softmax")
    half = onnx_files.mean_colour(
        tmp_path / "b.onnx", taken="uint8", quantization=(1 / 127.5, 127), layout="nhwc"
    )
    report = edgecv.validate([twin, half], data=labelled, preprocess="-1..1", baseline=twin)
    without = edgecv.validate(half, data=labelled)
    assert report.comparisons[1].value == without.comparisons[0].value
    assert report.comparisons[1].agreement > 0.9  # type: ignore[operator]
    assert any("pixels enter as -1..1" in note for note in without.comparisons[0].artifact.notes)
    assert np.isclose(report.comparisons[0].value or 0, 1.0)


def test_each_file_is_measured_on_images_of_its_own_size(labelled: Path, tmp_path: Path) -> None:
    """What other files there are must not decide whether a good one is measured."""
    good = onnx_files.mean_colour(tmp_path / "good.onnx", ends_in="softmax")
    others = [
        onnx_files.mean_colour(tmp_path / f"{name}.onnx", ends_in="softmax", size=(16, 16))
        for name in ("a", "b")
    ]
    report = edgecv.validate([*others, good], data=labelled, preprocess="-1..1")
    assert [each.artifact.path for each in report.comparisons] == list(map(str, [*others, good]))
    assert all(each.value and each.value > 0.9 for each in report.comparisons)
    assert report.outcome == "passed"
