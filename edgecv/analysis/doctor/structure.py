"""Findings from the tables of a file: float operators between integer ones, dynamic ranges."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from edgecv.analysis.doctor.records import Finding
from edgecv.core.text import counted
from edgecv.formats.contents import Contents, Operator
from edgecv.formats.dtypes import SMALL_INTEGERS

CAN_BE_INT8 = frozenset(
    """
    CONV_2D DEPTHWISE_CONV_2D FULLY_CONNECTED TRANSPOSE_CONV ADD MUL SUB MEAN MAX_POOL_2D
    AVERAGE_POOL_2D SOFTMAX LOGISTIC TANH RESHAPE CONCATENATION PAD HARD_SWISH LEAKY_RELU
    Conv Gemm MatMul Add Mul Sub MaxPool AveragePool GlobalAveragePool Softmax Sigmoid Relu Clip
    Reshape Concat Pad Transpose LeakyRelu
    """.split()
)
"""Operators that LiteRT and ONNX Runtime have integer kernels for."""
ROUNDED_ANEW = frozenset(
    """
    ConvInteger MatMulInteger com.microsoft.MatMulIntegerToFloat com.microsoft.DynamicQuantizeMatMul
    com.microsoft.DynamicQuantizeLSTM
    """.split()
)
"""Integer operators of ONNX whose activations have no fixed range: what is around them in float is
how such a file works."""
CLAIM = "int8"


def structural_findings(contents: Contents, name: str) -> list[Finding]:
    """Return the findings of a file's tables. ``name`` is the file name, which may claim int8."""
    return [*_dynamic_range(contents, name), *_islands(contents.operators)]


def layer_of(name: str) -> str:
    """Return the Keras layer in an operator's name; empty if it names none.

    >>> layer_of("cifar_cnn/conv_2/Relu"), layer_of("conv_2/Relu"), layer_of("Conv_0:0")
    ('conv_2', 'conv_2', '')
    """
    parts = name.split(";")[0].split("/")
    return parts[-2] if len(parts) > 1 else ""


def _dynamic_range(contents: Contents, name: str) -> Iterator[Finding]:
    hybrid = [
        each
        for each in contents.operators
        if each.type in ROUNDED_ANEW
        or (each.arithmetic == "weights only" and each.weight_type in SMALL_INTEGERS)
    ]
    if not hybrid or any(map(_has_fixed_ranges, contents.operators)):
        return
    first = hybrid[0]
    is_rounded = contents.format == "tflite" or first.type in ROUNDED_ANEW
    if not is_rounded and any(each.type == "QuantizeLinear" for each in contents.operators):
        return  # Its ranges are fixed: operators that move values stand before its kernels.
    activations = "float32" if first.type in ROUNDED_ANEW else first.activation_type
    claims = [
        claim
        for claim, is_claimed in (
            ("its name says int8", CLAIM in name.lower()),
            (
                "its metadata says int8",
                any(CLAIM in value.lower() for value in contents.facts.values()),
            ),
            (
                f"its input is {contents.inputs[0].type}" if contents.inputs else "",
                any(each.type in SMALL_INTEGERS for each in contents.inputs),
            ),
        )
        if is_claimed
    ]
    kind = "a dynamic-range model" if is_rounded else "a model with integers for its weights alone"
    sold = f"{kind} sold as int8 ({', '.join(claims)})" if claims else kind
    what = (
        f"{activations} activations, which are rounded anew for each image"
        if is_rounded
        else f"no range of activations: the arithmetic is {activations}"
    )
    yield Finding(
        "dynamic-range" if is_rounded else "weights-only",
        "error" if claims else "warning",
        _places(hybrid),
        f"{sold}: {counted(len(hybrid), 'operator')} with {first.weight_type or 'integer'} weights"
        f" and {what}",
        'give fixed ranges: precision = "int8" under [[export]], with calibration images',
    )


def _has_fixed_ranges(operator: Operator) -> bool:
    return operator.arithmetic == "quantized" and operator.type not in ROUNDED_ANEW


def _islands(operators: Sequence[Operator]) -> Iterator[Finding]:
    """Find float operators between integer operators."""
    integers = [n for n, each in enumerate(operators) if _has_fixed_ranges(each)]
    if not integers:
        return
    inner = operators[integers[0] : integers[-1] + 1]
    for is_float, group in groupby(
        inner, lambda each: each.arithmetic in ("float", "weights only")
    ):
        island = list(group)
        if not is_float:
            continue
        unknown = sorted({each.type for each in island if each.type not in CAN_BE_INT8})
        macs = sum(each.macs or 0 for each in island)
        total = sum(each.macs or 0 for each in operators)
        share = f", {macs / total:.0%} of the multiply-accumulates" if macs and total else ""
        yield Finding(
            "float-island",
            "error",
            _places(island),
            f"{', '.join(each.type for each in island)} in float between integers{share}: what "
            "enters is turned into float and back",
            f"there is no int8 kernel for {', '.join(unknown)}: use a layer that has one"
            if unknown
            else 'quantize it too: precision = "int8" under [[export]]',
        )


def _places(operators: Sequence[Operator], most: int = 4) -> str:
    names = [layer_of(each.name) or each.name or each.type for each in operators]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(dict.fromkeys(names[:most])) + more
