"""Time and size of pages: `pytest -m benchmark -s`. In seconds of one core."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_report import COMPARISON, REPORT, STATISTICS

from edgecv.core.artifact import Layer
from edgecv.core.paired_results import Flips, GroupDifference
from edgecv.core.report import Report
from edgecv.reports.contact_sheet import Tile
from edgecv.reports.gallery import GalleryWriter
from edgecv.reports.page.build import to_page
from edgecv.reports.page.compare import to_comparison

pytestmark = pytest.mark.benchmark

FILES, IMAGES, CLASSES, LAYERS = 6, 5000, 100, 60


def large_report(name: str) -> Report:
    """Return a report of six files, 100 classes and 60 layers, whose answers changed often."""
    names = tuple(f"class {number}" for number in range(CLASSES))
    groups = tuple(GroupDifference(n, 50, 3, 4, -2.0, 0.7, 1.0, False) for n in range(CLASSES))
    flips = Flips(1000, 0.2, wins=tuple(range(400)), losses=tuple(range(400, 1000)))
    statistics = replace(STATISTICS, flips=flips, classes=groups)
    layers = tuple(
        Layer(f"conv_{n}", (3, 3, 64, 64), "int8", 36_864, 0.1, 250, tuple(np.full(64, 0.1)))
        for n in range(LAYERS)
    )
    files = [
        replace(
            COMPARISON,
            artifact=replace(COMPARISON.artifact, path=f"int8-{number}.tflite", layers=layers),
            statistics=statistics,
        )
        for number in range(FILES)
    ]
    data = replace(REPORT.data, classes=names)
    return replace(REPORT, name=name, data=data, comparisons=tuple(files))


@pytest.mark.parametrize("side", [32, 224])
def test_a_page_of_six_files_and_5000_images(tmp_path: Path, side: int) -> None:
    report = large_report("run")
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (48, side // 8, side // 8, 3), dtype=np.uint8)
    images = coarse.repeat(8, axis=1).repeat(8, axis=2)
    to_page(REPORT)  # The templates are compiled once a process.
    started = time.process_time()
    writer = GalleryWriter(FILES)
    for file, each in enumerate(report.comparisons):
        tiles = [
            Tile(n, image ^ file, ("loss: a", "b"), "loss", "a") for n, image in enumerate(images)
        ]
        writer.add(each.artifact.path, "", tiles)
    writer.write(tmp_path)
    page = to_page(report, tmp_path)
    seconds = time.process_time() - started
    print(f"\n{FILES} files, {IMAGES} images of {side}: {seconds:.2f} s, {len(page) / 1e6:.2f} MB")
    assert seconds < 2
    assert len(page.encode()) < 3_000_000


def test_a_page_of_ten_runs() -> None:
    reports = [large_report(f"run-{number}") for number in range(10)]
    started = time.process_time()
    page = to_comparison(reports)
    seconds = time.process_time() - started
    print(f"\n10 runs of {FILES} files: {seconds:.2f} s, {len(page) / 1e6:.2f} MB")
    assert seconds < 5
    assert len(page.encode()) < 3_000_000
