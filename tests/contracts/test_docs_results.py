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
    assert (tmp_path / "index.md").read_text("utf-8").count("[main](main.md)") == 2
