"""The page beside other tools, from files of two peers that live in our own environment."""

import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.peers import measuring, tools
from benchmarks.peers.__main__ import compare
from benchmarks.peers.page import against_ours, page

from edgecv.system.environment import environment

HERE = {"TFLite converter", "ONNX Runtime static"}
"""Peers whose packages are ours too."""


def row(peer: str, **changes: Any) -> measuring.Row:
    same = {"format": "tflite", "way": "", "recipe": "int8", "file": peer}
    counts = {"images": 1000, "wins": [0, 1], "losses": [2, 3], "bytes": 100, "gzip": 90}
    return {"peer": peer, "than": {"edgecv": [1.0, 0.9, 1.1]}, **same, **counts, **changes}


@pytest.mark.quick
@pytest.mark.parametrize(
    ("changes", "theirs", "own"),
    [
        ({}, "-", "-"),
        ({"bytes": 99}, "bytes", "-"),
        ({"gzip": 80, "bytes": 120}, "gzip", "bytes"),
        ({"than": {"edgecv": [1.2, 1.1, 1.3]}}, "time", "-"),
        ({"than": {"edgecv": [1.2, 0.9, 1.5]}}, "-", "-"),
        ({"than": {"edgecv": "died"}, "bytes": 50}, "bytes", "-"),
        ({"wins": list(range(30)), "losses": []}, "accuracy", "-"),
        ({"wins": [], "losses": list(range(30)), "bytes": 1}, "-", "accuracy"),
    ],
)
def test_who_is_ahead_at_equal_accuracy(changes: dict[str, Any], theirs: str, own: str) -> None:
    """A smaller file that is less accurate is not ahead, nor a time that may be chance."""
    text = against_ours([row("edgecv"), row("other", **changes)], "tflite")
    assert text.splitlines()[-1].endswith(f" | {theirs} | {own} |")


@pytest.mark.quick
def test_points_against_ours_are_paired() -> None:
    """An image that both files have changed alike says nothing."""
    one, other = row("a", wins=[1, 2], losses=[3]), row("b", wins=[1], losses=[3, 4])
    points, low, high = measuring.against(one, other)
    assert points == pytest.approx(0.2)
    assert low < 0 < points < high


@pytest.mark.slow
def test_two_peers_and_ours_on_one_page(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file is measured alike; a peer that fails is a row with its own words."""
    monkeypatch.setattr(tools, "install", lambda peer, folder: (Path(sys.executable), ""))
    (model,) = output.glob("baselines/*/model.keras")
    broken = tools.Peer("Broken", "no_such_script", "none")
    peers = [each for each in tools.PEERS if each.name in HERE]
    found = compare(model, "digits", tmp_path, [*peers, broken], budget_s=5)
    text = page([found], environment(), "digits")
    measured = [each for each in found["rows"] if "format" in each]
    assert {each["peer"] for each in measured} >= {"edgecv", *HERE}
    assert all(each["bytes"] > 0 and each["faster"][1] <= each["faster"][2] for each in measured)
    assert "can't open file" in text.partition("### Without a result")[2]
    assert text.count("\n### ") == 3
    assert "- NNCF: left out of this run by --peers" in text
