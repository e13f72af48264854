"""Handed models of other tasks than one class of several an image."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from paths import SHARED

import edgecv
from edgecv.core.data import Dataset, Shape, Split
from edgecv.core.errors import InputError
from edgecv.core.plugins import DatasetSource, Progress
from edgecv.core.registry import DATASETS
from edgecv.core.targets import together

CASES = SHARED / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the handed cases are not here")
TRAIN, TEST = 120, 100
UNIT = 40.0
"""Brightness that the handed network counts in."""
TREES = {"two": ("airplane", "cat"), "four": ("cat", "dog", "ship", "truck")}


@pytest.fixture(scope="module")
def trees(cifar_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return image trees of two and of four classes of CIFAR-10."""
    folders = {}
    with zipfile.ZipFile(cifar_zip) as archive:
        names = [each for each in archive.namelist() if each.endswith(".jpg")]
        for tree, classes in TREES.items():
            folders[tree] = tmp_path_factory.mktemp(tree)
            for split, most in (("train", TRAIN), ("test", TEST)):
                for name in classes:
                    target = folders[tree] / split / name
                    target.mkdir(parents=True)
                    for path in [each for each in names if f"{split}/{name}/" in each][:most]:
                        (target / Path(path).name).write_bytes(archive.read(path))
    return folders


def compress(case: str, data: Any, folder: Path, **options: Any) -> Any:
    asked = {"preprocess": "0..255", "quantize": "int8", "name": "run", **options}
    return edgecv.compress(CASES / case, data=data, output=folder, **asked)


def drops(report: Any) -> list[str]:
    return [gate.outcome for gate in report.gates if gate.name == "max_drop_points"]


@pytest.mark.parametrize("case", ["binary_sigmoid.keras", "binary_logit.keras"])
def test_two_classes_from_one_output(case: str, trees: dict[str, Path], tmp_path: Path) -> None:
    report = compress(case, trees["two"], tmp_path)
    assert report.baseline.metric == "accuracy"
    assert report.baseline.value > 0.8
    for each in report.comparisons:
        assert each.agreement > 0.97
        assert each.difference_points > -2.5
        assert {"balanced accuracy", "F1"} == {metric.name for metric in each.further_metrics}
    assert "failed" not in drops(report)
    (note,) = [each for each in report.data.notes if "the one output" in each]
    assert note == "the one output is the probability of cat; the other class is airplane"


def test_a_classifier_of_one_output_is_trained_on(trees: dict[str, Path], tmp_path: Path) -> None:
    report = compress(
        "binary_logit.keras", trees["two"], tmp_path, qat=True, epochs=1, formats="tflite",
        max_drop=10,
    )  # fmt: skip
    (candidate,) = [each for each in report.comparisons if not each.is_twin]
    assert candidate.agreement > 0.85
    assert drops(report) == ["passed"]


def test_several_labels_an_image(trees: dict[str, Path], tmp_path: Path) -> None:
    report = compress("multilabel.keras", trees["four"], tmp_path, task="multilabel")
    assert report.baseline.metric == "mAP"
    assert report.baseline.value > 0.5
    for each in report.comparisons:
        assert each.statistics.scores.images == 4 * TEST
        assert len(each.statistics.classes) == 4
        assert [metric.name for metric in each.further_metrics] == ["F1", "exact match"]
        assert each.difference_points > -2
    assert "failed" not in drops(report)
    again = edgecv.validate(tmp_path / "run", data=trees["four"])
    assert again.outcome == report.outcome
    assert again.comparisons[0].metric == "mAP"


def test_several_labels_are_not_one_class_unless_they_are_asked_for(
    trees: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="ends in a sigmoid") as caught:
        compress("multilabel.keras", trees["four"], tmp_path)
    assert "multilabel" in caught.value.remedy


class Means(DatasetSource):
    """Images of other people, and the mean of their pixels."""

    name: ClassVar[str] = "means"
    path: str

    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        from PIL import Image

        splits = {}
        for split, part in (("train", "train"), ("test", "test")):
            files = sorted(Path(self.path).glob(f"{part}/*/*.jpg"))
            pixels = np.stack([np.asarray(Image.open(each).convert("RGB")) for each in files])
            means = pixels.mean(axis=(1, 2, 3), keepdims=True)[:, 0, 0] / UNIT
            targets = together({"numbers": means.astype(np.float32)})
            splits[split] = Split(pixels, targets, f"{len(files):064d}")
        return Dataset(
            "means", (), splits["train"], splits["train"], splits["test"], splits["test"]
        )


@pytest.fixture
def registered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(vars(DATASETS), "classes", {**DATASETS.classes, "means": Means})
        yield


def test_a_number_of_an_image(registered: None, trees: dict[str, Path], tmp_path: Path) -> None:
    report = compress(
        "regression.keras", Means(path=str(trees["four"])), tmp_path, task="regression"
    )
    assert report.baseline.metric == "MAE"
    assert report.baseline.value < 0.4
    for each in report.comparisons:
        figures = {metric.name: metric.value for metric in each.further_metrics}
        assert figures.keys() == {"RMSE", "R2"}
        assert figures["R2"] > 0.7
        low, high = each.statistics.scores.interval_points
        assert low <= each.difference_points <= high
    assert "failed" not in drops(report)
