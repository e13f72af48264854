"""Handed models as plain C: the bytes of LiteRT's built-in kernels, image by image."""

from pathlib import Path

import pytest
from paths import SHARED

import edgecv
from edgecv.targets.c.compiled import c_compiler

CASES = SHARED / "cases"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(c_compiler() is None, reason="needs a C compiler: gcc"),
    pytest.mark.skipif(not CASES.is_dir(), reason="needs the handed cases"),
]


def test_a_vision_transformer(tmp_path: Path) -> None:
    edgecv.compress(
        CASES / "vit.keras",
        data=CASES / "digits32.npz",
        preprocess="0..255",
        formats="tflite",
        output=tmp_path,
        name="vit",
    )
    report = edgecv.deploy(tmp_path / "vit", to="c", out=tmp_path / "c", images=100)
    assert report.deployment is not None
    assert report.deployment.kernels == "builtin"
    assert report.deployment.equal_outputs == report.deployment.images == 100
