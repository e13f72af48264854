"""Whole networks in C: the bits of LiteRT's kernels in every tensor."""

from pathlib import Path

import numpy as np
import pytest
from c_build import SANITIZED, disagreements, needs_compiler
from c_models import converted
from heads import head_for
from paths import SHARED

from edgecv.core.registry import ARCHITECTURES
from edgecv.targets.c.program import Arithmetic

pytestmark = needs_compiler
QUICK = ("mobilenet_v3",)
NETWORKS = [
    pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow)
    for name, cls in ARCHITECTURES.classes.items()
]


def network(name: str, precision: str) -> bytes:
    """Return an untrained network whose batch normalization has random statistics."""
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    cls = ARCHITECTURES.get(name, "test")
    model = cls().build((32, 32, 3), head_for(cls, 7))
    fixed = tf_keras.Input((32, 32, 3), batch_size=1)
    return converted(tf_keras.Model(fixed, model(fixed)), precision, scale=60.0)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_has_the_bits_of_litert(name: str, tmp_path: Path) -> None:
    content = network(name, "int8")
    assert not disagreements(content, "builtin", tmp_path / "c", flags=("-O3",), count=10)


@pytest.mark.slow
@pytest.mark.parametrize("arithmetic", ["builtin", "reference"])
@pytest.mark.parametrize("name", ARCHITECTURES.classes)
def test_a_network_answers_500_images(name: str, arithmetic: Arithmetic, tmp_path: Path) -> None:
    content = network(name, "int8")
    options = {"count": 500, "every_tensor": False}
    assert not disagreements(content, arithmetic, tmp_path / "c", flags=("-O3",), **options)  # type: ignore[arg-type]
    assert not disagreements(content, arithmetic, tmp_path / "safe", flags=SANITIZED, count=3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES.classes)
def test_a_network_of_reals_has_the_bits_of_the_reference_kernels(
    name: str, tmp_path: Path
) -> None:
    content = network(name, "float32")
    options = {"flags": ("-O3",), "count": 20, "near": 0}
    assert not disagreements(content, "reference", tmp_path / "c", **options)  # type: ignore[arg-type]
    assert not disagreements(content, "builtin", tmp_path / "near", flags=("-O3",), count=20)


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the handed cases")
def test_the_visual_wake_words_network(tmp_path: Path) -> None:
    import tf_keras

    model = tf_keras.models.load_model(SHARED / "models" / "vww_96.h5", compile=False)
    fixed = tf_keras.Input(model.input_shape[1:], batch_size=1)
    content = converted(tf_keras.Model(fixed, model(fixed)), scale=float(np.float32(0.5)))
    assert not disagreements(content, "builtin", tmp_path / "c", flags=("-O3",), count=20)
