"""Pages of results are made of runs."""

import re
from pathlib import Path
from typing import Any

from documentation import generator


def test_a_page_of_results_is_made_of_a_run(tmp_path: Path, output: Path, main_report: Any) -> None:
    for _ in range(2):  # A second time replaces the rows of the first.
        arguments = [str(output / "main"), "--commit", "abc", "--output", str(tmp_path)]
        generator("results").main(arguments)
    page = (tmp_path / "main.md").read_text("utf-8")
    assert "- commit: `abc`" in page
    assert "- date: 20" in page
    assert "- machine: " in page
    assert len(re.findall(r"\d wins? and \d", page)) == 2
    assert (tmp_path / "frontier.svg").read_text("utf-8").count("<svg") == 1
    assert (tmp_path / "index.md").read_text("utf-8").count("[main](main.md)") == 2


def test_the_frontier_joins_files_that_no_other_beats_in_both_figures() -> None:
    results = generator("results")
    places = [(34.8, 80.6), (18.2, 74.0), (128.4, 74.9), (33.8, 82.2), (18.2, 70.0)]
    assert results.unbeaten(places) == [(18.2, 74.0), (33.8, 82.2)]
    row = (
        "| [a](a.md) | 2026-11-28 | cifar10-images.zip | int8.onnx | 130,403 | 74.80% | +0.10 |"
        " 98.46% | 1.99 |"
    )
    assert results.spots([row, row.replace("cifar10-images.zip", "digits")]) == [
        ("a", "int8.onnx", 130.403, 74.8, 1.99)
    ]
