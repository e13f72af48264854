"""The calls that register a model's operators with TFLite Micro's resolver."""

from collections.abc import Iterable

METHODS = {
    "CUMSUM": "AddCumSum",
    "PADV2": "AddPadV2",
    "BATCH_MATMUL": "AddBatchMatMul",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
    "CUSTOM(TFLite_Detection_PostProcess)": "AddDetectionPostprocess",
    "CUSTOM(TFLM_DECODE)": "AddDecode",
}
"""Methods whose name is not that of the operator, word by word."""


def resolver_lines(kinds: Iterable[str]) -> list[str]:
    """Return a call for each kind of operator, in alphabetical order."""
    return sorted({f"{method_of(each)}()" for each in kinds})


def method_of(kind: str) -> str:
    """Return the method of ``MicroMutableOpResolver`` that adds an operator.

    >>> method_of("DEPTHWISE_CONV_2D"), method_of("PADV2")
    ('AddDepthwiseConv2D', 'AddPadV2')
    """
    parts = (part if part == "2D" else part.capitalize() for part in kind.split("_"))
    return METHODS.get(kind, f"Add{''.join(parts)}")
