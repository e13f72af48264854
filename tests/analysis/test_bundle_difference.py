"""Bundles of a stranger: what their ``model.json`` says of their answers may be anything."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.analysis.deploy.difference import changes
from edgecv.core.errors import InputError

pytestmark = pytest.mark.quick
CLASSES = {"task": "classification"}


def bundle(folder: Path, outputs: list[dict[str, Any]], first: int, task: dict[str, Any]) -> Path:
    """Write a bundle with one golden image, whose answers count up from ``first``."""
    (folder / "golden").mkdir(parents=True)
    (folder / "labels.txt").write_text("a\nb\n")
    (folder / "golden" / "00.png").write_bytes(b"an image")
    card = {"format": 1, "task": task, "inputs": [{"name": "i", "type": "int8"}]}
    (folder / "model.json").write_text(json.dumps({**card, "outputs": outputs}))
    for place, each in enumerate(outputs):
        count = math.prod(each["answer"])
        values = np.arange(count if count < 100 else 0) + first
        path = folder / "golden" / f"00.output{place}.bin"
        path.write_bytes(values.astype(each["type"]).tobytes())
    return folder


def compared(
    folder: Path, *outputs: dict[str, Any], task: dict[str, Any] = CLASSES
) -> list[tuple[str, str]]:
    old, new = (bundle(folder / str(first), [*outputs], first, task) for first in (0, 1))
    return changes(old, new)


def output(*answer: int, name: str = "o") -> dict[str, Any]:
    return {"name": name, "type": "float32", "answer": list(answer)}


@pytest.mark.parametrize(
    ("outputs", "task", "said"),
    [
        ([output(*[2**20] * 4)], CLASSES, "has 0 bytes"),
        ([output(*[1] * 100)], CLASSES, '"outputs'),
        ([output()], CLASSES, "cannot be compared"),
        ([output(3)], {"task": "segmentation"}, "cannot be compared"),
        ([output(3), output(3)], CLASSES, "two outputs are called o"),
    ],
)
def test_answers_that_cannot_be_are_a_sentence(
    outputs: list[dict[str, Any]], task: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """They were errors of edgecv, or the first of two outputs was not looked at."""
    with pytest.raises(InputError, match=said):
        compared(tmp_path, *outputs, task=task)


def test_the_same_answers_are_no_change(tmp_path: Path) -> None:
    assert compared(tmp_path, output(3)) == []
