"""Execution of a file by its runtime: the kernels of each operator, and their times."""

from collections.abc import Iterator, Sequence

from edgecv.analysis.doctor.records import Finding, OperatorTime
from edgecv.analysis.doctor.structure import layer_of
from edgecv.core.artifact import ExecutedOperator
from edgecv.core.text import counted
from edgecv.formats.contents import Contents
from edgecv.formats.onnx.weight_range import REDUCED_CODE, may_saturate
from edgecv.system.cpu import instructions

FLOAT_KERNELS = ("Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul", "FusedMatMul")
SLOWEST = 3
INSTRUCTIONS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx_vnni": "AVX-VNNI",
    "avx512_vnni": "AVX-512 VNNI",
    "asimddp": "NEON dot products",
    "i8mm": "int8 matrix products",
}
"""Processor flags of Linux that decide how fast integers are."""
SATURATION = (
    "ONNX Runtime adds two products in 16 bits here, which weights of more than 64 may exceed:"
    ' their answers differ from those on other processors, and weight_range = "reduced" under'
    " [[export]] avoids it"
)
DOTS = ("avx_vnni", "avx512_vnni", "asimddp", "i8mm")


def delegate_findings(
    operators: Sequence[ExecutedOperator], contents: Contents, kernels: str, slower: str
) -> Iterator[Finding]:
    """Find operators that XNNPACK did not take. ``slower``: the measured cost, as text."""
    taken = sum(each.is_delegated for each in operators)
    left = [each for each in operators if not each.is_delegated]
    if taken == 0:
        why = (
            f"it has no kernels for this file (activations of {_types(contents)})"
            if kernels == "xnnpack"
            else f"the interpreter was opened with kernels = {kernels}"
        )
        yield Finding(
            "xnnpack-off",
            "error",
            "all operators",
            f"XNNPACK took none of {counted(len(operators), 'operator')}: {why}{slower}",
            'choose types that it takes: precision = "int8" under [[export]]'
            if kernels == "xnnpack"
            else "open the file with XNNPACK: it is what LiteRT does by default",
        )
    elif left:
        names = [f"{layer_of(each.name) or each.name} ({each.type})" for each in left]
        yield Finding(
            "delegate-coverage",
            "note",
            ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else ""),
            f"XNNPACK took {taken} of {counted(len(operators), 'operator')}; builtin kernels run"
            " the others",
        )
    yield Finding(
        "operator-times",
        "note",
        "all operators",
        "LiteRT gives Python no profile by operator: which of them is slow was not measured; its"
        " benchmark_model gives one, on a device too",
    )


def profile_findings(
    operators: Sequence[ExecutedOperator], contents: Contents
) -> Iterator[Finding]:
    """Find the operators that take the most time, and those that run in float."""
    is_integer = {each.name for each in contents.operators if each.arithmetic == "quantized"}
    left = [each for each in operators if each.type in FLOAT_KERNELS and _name(each) in is_integer]
    if left:
        yield Finding(
            "float-kernels",
            "warning",
            ", ".join(each.name for each in left),
            f"the file says integers, and ONNX Runtime runs {counted(len(left), 'operator')} in"
            " float: it has "
            "no integer kernel for these types here",
            "let edgecv choose the activations' type on this machine: "
            'precision = "int8" under [[export]]',
        )
    timed = sorted(operators, key=lambda each: each.microseconds or 0.0, reverse=True)
    total = sum(each.microseconds or 0.0 for each in timed)
    if total:
        shares = [
            f"{each.name} ({each.type}) {(each.microseconds or 0) / total:.0%}"
            for each in timed[:SLOWEST]
        ]
        yield Finding(
            "operator-times",
            "note",
            timed[0].name,
            f"of {total:,.0f} us in operators, by ONNX Runtime's profiler: {', '.join(shares)}",
        )


def operator_times(operators: Sequence[ExecutedOperator]) -> tuple[OperatorTime, ...]:
    """Return the operators that were timed, the slowest first."""
    timed = [
        OperatorTime(each.name, each.type, each.microseconds)
        for each in operators
        if each.microseconds is not None
    ]
    return tuple(sorted(timed, key=lambda each: -each.microseconds))


def processor_finding(contents: Contents) -> Finding:
    """Return a finding on this machine's instructions for integers."""
    flags = instructions()
    has = [name for flag, name in INSTRUCTIONS.items() if flag in flags]
    lacks = lacks_products(contents)
    largest = max((each.largest_code or 0 for each in contents.operators), default=0)
    saturates = _has_integers(contents) and largest > REDUCED_CODE and may_saturate()
    tiles = "; matrix tiles (AMX) are left off" if "amx_tile" in flags else ""
    return Finding(
        "processor",
        "note",
        "this machine",
        f"it has {', '.join(has) or 'none of the instructions known here'}{tiles}"
        + ("; without products of bytes int8 gains less here than on a device" if lacks else "")
        + (f"; {SATURATION}" if saturates else ""),
    )


def lacks_products(contents: Contents) -> bool:
    """Return True if a file has integer operators, and this processor no products of bytes."""
    return _has_integers(contents) and instructions().isdisjoint(DOTS)


def _has_integers(contents: Contents) -> bool:
    return any(each.arithmetic == "quantized" for each in contents.operators)


def _types(contents: Contents) -> str:
    kinds = {each.activation_type for each in contents.operators if each.weight_type}
    return ", ".join(sorted(kinds)) or "no weights"


def _name(operator: ExecutedOperator) -> str:
    return f"{operator.name}:0"
