"""Tests of the access to TensorFlow."""

import gc
import inspect

import pytest

from edgecv.models import tf

pytestmark = pytest.mark.quick


def test_what_looks_at_each_name_of_a_module_loads_no_tensorflow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tf, "_libraries", lambda: pytest.fail("loaded"))
    for library in (tf.keras, tf.tensorflow):
        assert getattr(library, "_mock_name", None) is None
        assert inspect.unwrap(library) is library


def test_the_garbage_collector_is_paused_and_left_as_it_was() -> None:
    with tf.without_collections():
        assert not gc.isenabled()
        with tf.without_collections():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
