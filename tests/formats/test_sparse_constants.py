"""Weights that a file stores without their zeros are read with them, and damage is named."""

import numpy as np
import pytest
from lite_converter import lite_converter

from edgecv.core.errors import InputError
from edgecv.formats.tflite.operators import TFLiteTensor
from edgecv.formats.tflite.tables import TFLiteTables

BLOCKS = [(1, 1), (1, 4), (1, 16), (4, 1)]


def sparse_file(block: tuple[int, int], *, quantized: bool) -> tuple[bytes, np.ndarray]:
    """Convert a dense layer whose weights are zero in most blocks; return the weights too."""
    import tensorflow as tf
    import tf_keras

    random = np.random.default_rng(0)
    kept = random.random((32 // block[0], 64 // block[1])) < 0.2
    weights = random.normal(size=(32, 64)) * np.kron(kept, np.ones(block))
    image = tf_keras.Input((64,), batch_size=1)
    model = tf_keras.Model(image, tf_keras.layers.Dense(32)(image))
    model.layers[1].set_weights([weights.T, np.zeros(32)])
    converter = lite_converter(model)
    converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
    if quantized:
        converter.optimizations.append(tf.lite.Optimize.DEFAULT)
    return converter.convert(), weights.astype(np.float32)


def sparse_tensor(tables: TFLiteTables) -> TFLiteTensor:
    return next(each for each in tables.tensors if each.is_sparse)


@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize("block", BLOCKS)
def test_zeros_are_put_back(block: tuple[int, int], quantized: bool) -> None:
    content, weights = sparse_file(block, quantized=quantized)
    tables = TFLiteTables(content, "m.tflite")
    tensor = sparse_tensor(tables)
    values = tables.values(tensor)
    assert values is not None
    if not quantized:
        assert np.array_equal(values, weights)
        return
    scales = np.array(tensor.scales).reshape(-1, 1)
    assert (np.abs(values * scales - weights) <= scales * 0.51).all()


def test_damage_is_named_and_never_crashes() -> None:
    content, _ = sparse_file((1, 4), quantized=False)
    tables = TFLiteTables(content, "m.tflite")
    tensor = sparse_tensor(tables)
    table = tables.graph.Tensors(tensor.number).Sparsity()
    place, refused = table._tab.Pos, 0
    for offset in range(-200, 200, 2):
        damaged = bytearray(content)
        damaged[place + offset] ^= 0x55
        try:
            found = TFLiteTables(bytes(damaged), "m.tflite")
            tensor = sparse_tensor(found)
            assert found.operators
        except Exception:  # noqa: BLE001  other tables than the sparse ones were hit
            continue
        try:
            found.values(tensor)
        except InputError:
            refused += 1
    assert refused > 10
