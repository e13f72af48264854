"""Few images: a backbone, weights and sampling by class; `pytest -m benchmark -s` prints them."""

import zipfile
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

import edgecv

pytestmark = pytest.mark.benchmark
SEEDS = range(3)
CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


def part(source: Path, target: Path, images: dict[str, int]) -> Path:
    """Write a data set of the first training images of some classes, with all test images."""
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(target, "w") as made:
        names = sorted(name for name in whole.namelist() if not name.endswith("/"))
        for label, count in images.items():
            train = [name for name in names if name.startswith(f"train/{label}/")][:count]
            for name in (*train, *(n for n in names if n.startswith(f"test/{label}/"))):
                made.writestr(name, whole.read(name))
    return target


def test_a_backbone_of_other_classes_gains_five_points(cifar_zip: Path, tmp_path: Path) -> None:
    many = part(cifar_zip, tmp_path / "many.zip", dict.fromkeys(CLASSES[:5], 5000))
    few = part(cifar_zip, tmp_path / "few.zip", dict.fromkeys(CLASSES[5:], 50))
    output = str(tmp_path / "exported")
    backbone = edgecv.train(many, architecture="resnet8", epochs=20, output=output)
    options = {"epochs": 120, "batch": 32, "output": output}
    start = str(backbone.folder / "model.keras")
    nothing, started = [], []
    for seed in SEEDS:
        nothing.append(edgecv.train(few, architecture="resnet8", seed=seed, **options).test.value)
        started.append(edgecv.train(few, from_model=start, seed=seed, **options).test.value)
    print(f"\nfrom nothing {nothing}, from a backbone {started}")
    assert mean(started) >= mean(nothing) + 0.05


def test_weights_and_sampling_gain_five_points_of_balanced_accuracy(
    cifar_zip: Path, tmp_path: Path
) -> None:
    sizes = {"cat": 600, "horse": 600, "ship": 40, "frog": 40}
    data, output = part(cifar_zip, tmp_path / "unbalanced.zip", sizes), str(tmp_path / "exported")
    ways: dict[str, dict[str, Any]] = {
        "neither": {},
        "weights": {"class_weights": "balanced"},
        "sampling": {"sampling": "balanced"},
    }
    found = {}
    for way, options in ways.items():
        trained = [edgecv.train(data, seed=seed, output=output, **options) for seed in SEEDS]
        found[way] = [each.test.further["balanced accuracy"] for each in trained]
    print(f"\nbalanced accuracy {found}")
    for way in ("weights", "sampling"):
        assert mean(found[way]) >= mean(found["neither"]) + 0.05
