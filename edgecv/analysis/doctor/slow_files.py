"""A file that is slower than its float reference: the measured cost, the cause, the remedy."""

from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from edgecv.analysis.bench import time_files
from edgecv.analysis.doctor.execution import lacks_products
from edgecv.analysis.doctor.records import Finding
from edgecv.analysis.options import BenchOptions, DoctorOptions
from edgecv.core.text import counted, listed, printable
from edgecv.formats.contents import Contents
from edgecv.formats.lookup import runtime_of_file
from edgecv.pipeline.context import AnalysisContext
from edgecv.pipeline.measure import MeasuredFile
from edgecv.pipeline.recipe.options import InputOptions
from edgecv.system.isolation import ModelClient

TIMING = BenchOptions(budget=3.0)
CONVERSIONS = ("QUANTIZE", "DEQUANTIZE", "QuantizeLinear", "DequantizeLinear")
HYBRID = ("DynamicQuantizeLinear", "DynamicQuantizeMatMul")
MANY = 0.1
"""Share of the operators, or of their time, from which conversions are a cause."""
NAMED = 3
NO_PRODUCTS = (
    "this processor has no products of bytes, without which int8 gains less than on a device, or"
    " nothing"
)


def speed_findings(
    options: DoctorOptions,
    file: MeasuredFile,
    reference: Path,
    contents: Contents,
    context: AnalysisContext,
) -> Iterator[Finding]:
    """Time a file and its float reference in turn, and find out why it is slower, if it is."""
    context.emit("doctor", f"timing {file.path} and its float reference in turn")
    given = options.model_dump(include=set(InputOptions.model_fields))
    settings = TIMING.model_copy(update=given)
    timings = time_files([reference, file.path], settings, context).timings
    if len(timings) != 2 or timings[1].verdict != "slower":
        return
    causes = [*_causes(contents), *_operators(file, context)]
    why = "; ".join(causes) or "no operator of it stands out"
    is_kept = reference == options.baseline or reference.parent == file.path.parent
    yield Finding(
        "slower-than-float",
        "warning",
        "the whole file",
        f"a run takes {timings[1].ratio:.2f} times as long as one of its float32 file: {why}",
        speed_remedy(contents, file.path, reference if is_kept else None),
    )


def speed_remedy(contents: Contents, path: Path, floats: Path | None) -> str:
    """Return what may be faster, and how both are timed where it counts.

    ``floats``: the float32 file, where there is one.
    """
    precision = _faster(contents)
    if precision == "none" and floats is not None:
        files = f"{quote(printable(str(floats)))} {quote(printable(str(path)))}"
        found = f"edgecv bench {files} --on ssh://USER@HOST times both on the device"
    else:
        found = (
            f"edgecv compress MODEL --data DATA --format {contents.format} --quantize {precision},"
            " and edgecv bench with both files on the device"
        )
    return f"this is no error of the file: {found}" if _is_of_processor(contents) else found


def _is_of_processor(contents: Contents) -> bool:
    """Return True for int8 on a processor that computes it no faster than floats."""
    return _faster(contents) == "none" and lacks_products(contents)


def _faster(contents: Contents) -> str:
    """Return the precision that may be faster: int8 unless it is integer already."""
    is_static = any(each.arithmetic == "quantized" for each in contents.operators)
    is_wide = any(each.activation_type == "int16" for each in contents.operators)
    return "none" if is_static and not is_wide else "int8"


def _causes(contents: Contents) -> Iterator[str]:
    """Return what the processor lacks, and what the tables of a file say."""
    if _is_of_processor(contents):
        yield NO_PRODUCTS
    kernels = [each for each in contents.operators if each.weight_type]
    if any(each.activation_type == "int16" for each in kernels):
        yield "XNNPACK has no kernels for int16 activations, and builtin ones are slow"
    hybrid = [each for each in kernels if each.arithmetic == "weights only"]
    if hybrid:
        names = listed(sorted({each.type for each in hybrid}))
        kind = hybrid[0].weight_type
        yield (
            f"{kind} weights are rounded or unpacked in each run, in"
            f" {counted(len(hybrid), 'operator')} ({names})"
        )
    if any(each.type in HYBRID for each in contents.operators):
        yield "its activations are rounded anew for each image"
    conversions = sum(each.arithmetic == "conversion" for each in contents.operators)
    if kernels and conversions > MANY * len(contents.operators) and contents.format == "tflite":
        yield (
            f"of its {counted(len(contents.operators), 'operator')}, {conversions} do nothing"
            " but convert"
        )


def _operators(file: MeasuredFile, context: AnalysisContext) -> Iterator[str]:
    """Return what its runtime says: operators left to slow kernels, or the slowest ones."""
    import numpy as np

    runtime = runtime_of_file(file.path)
    with ModelClient(runtime.name, 1, log=context.log) as worker:
        height, width, channels = worker.open(file.path, file.input_spec).image
        pixels = np.zeros((1, height, width, channels), np.uint8)
        operators = worker.executed(file.path, pixels, file.input_spec)
    if runtime.has_delegate:
        left = [each.type for each in operators if not each.is_delegated]
        if left and len(left) > MANY * len(operators):
            kinds = listed(sorted(set(left)))
            yield (
                f"XNNPACK has no kernel for {len(left)} of"
                f" {counted(len(operators), 'operator')} ({kinds})"
            )
        return
    total = sum(each.microseconds or 0.0 for each in operators)
    if not total:
        return
    moved = sum(each.microseconds or 0.0 for each in operators if each.type in CONVERSIONS)
    if moved > MANY * total:
        yield f"{moved / total:.0%} of its time goes into conversions between floats and integers"
    slowest = sorted(operators, key=lambda each: each.microseconds or 0.0, reverse=True)[:NAMED]
    shares = [
        f"{each.name} ({each.type}) {(each.microseconds or 0) / total:.0%}" for each in slowest
    ]
    yield f"most time goes into {', '.join(shares)}"
