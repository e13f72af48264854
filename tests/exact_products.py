"""Sums of int8 products in ONNX Runtime: exact by an option, or by the processor."""

from typing import Any

import pytest

from edgecv.formats.onnx.weight_range import may_saturate

needs_exact_products = pytest.mark.skipif(
    may_saturate(),
    reason="sums of int8 products saturate in ONNX Runtime on this processor, which has no VNNI",
)


def exact_session(content: bytes) -> Any:
    """Return a session whose sums are exact on every processor: it is slower on some."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
