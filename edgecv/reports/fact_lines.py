"""Facts of a report as lines of text, for every form of it."""

from edgecv.core.artifact import TensorFacts
from edgecv.core.report import Baseline, Report
from edgecv.core.text import counted
from edgecv.evaluation.output_differences import difference_text
from edgecv.evaluation.task_of import per_head, task_of

LAYER_HEADINGS = (
    "artifact",
    "layer",
    "type",
    "weights",
    "zero",
    "distinct",
    "weight scale",
    "output scale",
    "output zero point (uint8)",
)


def latency_note(report: Report) -> str:
    """Return how latencies were measured."""
    threads = sorted({each.latency.threads for each in report.comparisons if each.latency})
    if not threads:
        return "Nothing was timed."
    note = (
        f"Latency of one image, threads: {', '.join(map(str, threads))}; the artifacts of one "
        "runtime take turns in several fresh processes; speed-up over the float32 twin with its "
        "95% interval over these. "
        "Times are a note on this machine, ratios are the result."
    )
    if report.environment.get("matrix_tiles", "none") == "none":
        return note
    return f"{note} Its AMX tiles are left off: no device at the edge has them."


def output_lines(report: Report) -> list[str]:
    """Return the differences of the outputs of each file from the baseline's."""
    terms = {name: task_of(each).terms for name, each in per_head(report).items()}
    return [
        f"{each.label}: {terms[each.head].output} differs by "
        f"{each.mean_probability_difference:.2g} in the mean, by "
        f"{each.max_probability_difference:.2g} at the most; {terms[each.head].same} on "
        f"{each.agreement:.2%} of the images"
        for each in report.comparisons
        if each.agreement is not None
    ] + [
        f"{each.artifact.path}: {difference_text(found)}"
        for each in report.comparisons
        for found in each.output_differences
    ]


def tensor_lines(report: Report) -> list[str]:
    """Return the inputs and outputs of each file."""
    lines = []
    for each in report.files:
        lines += [
            f"{each.artifact.path}: takes {tensor_text(each.input)}",
            *(
                f"{each.artifact.path}: gives {tensor_text(output)}"
                for output in (each.output, *each.further_outputs)
            ),
        ]
    return lines


def tensor_text(tensor: TensorFacts) -> str:
    """Describe one input or output: type, shape, name and quantization."""
    shape = "x".join(str(side) if side > 0 else "N" for side in tensor.shape)
    text = f"{tensor.type} {shape} `{tensor.name}`"
    if tensor.scale is not None:
        zero = tensor.zero_point or 0
        stored = f"(stored {'-' if zero > 0 else '+'} {abs(zero)})" if zero else "stored"
        text += f", value = {tensor.scale:.9g} x {stored}"
    return text


def artifact_notes(report: Report) -> list[str]:
    """Return the notes on each file."""
    return [
        f"{each.artifact.path}: {note}" for each in report.files for note in each.artifact.notes
    ]


def layer_rows(report: Report) -> list[tuple[str, ...]]:
    """Return a row for each layer of each file, under ``LAYER_HEADINGS``."""
    return [
        (
            each.artifact.path,
            layer.name,
            layer.type,
            f"{layer.weights:,}",
            f"{layer.sparsity:.2%}",
            f"{layer.distinct:,}",
            _scales(layer.scales),
            "-" if layer.output_scale is None else f"{layer.output_scale:.6g}",
            "-" if layer.output_zero_point is None else str(layer.output_zero_point),
        )
        for each in report.files
        for layer in each.artifact.layers
    ]


def _scales(scales: tuple[float, ...]) -> str:
    if not scales:
        return "-"
    if len(scales) == 1:
        return f"{scales[0]:.6g}"
    return f"{min(scales):.6g} to {max(scales):.6g}, {counted(len(scales), 'channel')}"


def data_lines(report: Report) -> list[str]:
    """Return the name of the data, its classes, its splits with their hashes, and notes on it."""
    splits = [
        f"{name}: {counted(facts.images, 'image')}, SHA-256 {facts.sha256}"
        for name, facts in report.data.splits.items()
    ]
    known = (
        f", {len(report.data.classes)} {task_of(report).terms.outputs}"
        if report.data.classes
        else ""
    )
    heads = [
        f"{name}: {counted(len(classes), 'class')}"
        for name, classes in report.data.head_classes.items()
        if classes
    ]
    if further := report.data.unlabelled:
        images = counted(further.images, "image")
        splits.append(f"without labels: {images}, SHA-256 {further.sha256}")
    return [f"{report.data.name}{known}", *heads, *splits, *report.data.notes]


def _parameters(baseline: Baseline) -> str:
    return "" if baseline.parameters is None else f", {counted(baseline.parameters, 'parameter')}"


def baseline_lines(report: Report) -> list[str]:
    """Return the path, the size and the metrics of the baseline; nothing without one."""
    if report.baseline is None:
        return []
    lines = [f"{report.baseline.path}{_parameters(report.baseline)}"]
    for name, each in per_head(report).items():
        headline = task_of(each).headline
        value = None if each.baseline is None else each.baseline.value
        lines.append(f"{f'{name}: ' if name else ''}{headline.name} {headline.text(value)}")
    return lines


def memory_lines(report: Report) -> list[str]:
    """Return the peaks of memory; nothing in a report from before they were measured."""
    if report.memory is None:
        return []
    own, child = (
        f"{peak / 1e9:.2f} GB" for peak in (report.memory.bytes, report.memory.child_bytes)
    )
    return [f"resident memory at its peak: {own}, and {child} in the largest child process"]
