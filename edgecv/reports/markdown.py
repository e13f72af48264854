"""``report.md``: the report for people."""

from collections.abc import Sequence

from edgecv.core.artifact import TensorFacts
from edgecv.core.report import Baseline, Report
from edgecv.core.text import counted, printable_lines
from edgecv.evaluation.output_differences import difference_text
from edgecv.evaluation.task_of import per_head, task_of
from edgecv.reports.class_results import CONFUSION, RELIABILITY, WORST, class_table
from edgecv.reports.costs import HEADINGS as COST_HEADINGS
from edgecv.reports.costs import costs_rows, costs_sentence
from edgecv.reports.curves import CURVES
from edgecv.reports.deployment import deployment_lines
from edgecv.reports.markdown_table import markdown_table
from edgecv.reports.paired_comparison import pair_section
from edgecv.reports.run_table import run_tables
from edgecv.reports.verdict import gate_sentence, verdict_line

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


def to_markdown(report: Report) -> str:
    """Return the whole report as Markdown."""
    task = task_of(report)
    text = "\n".join(
        [
            f"# {report.name}",
            "",
            verdict_line(report),
            "",
            *_tables(report),
            latency_note(report),
            "",
            *section(
                "Limits", [f"{each.outcome}: {gate_sentence(each, task)}" for each in report.gates]
            ),
            *section("Device", deployment_lines(report)),
            *pair_section(report),
            *_classes(report),
            *_trainings(report),
            *section("Outputs against the baseline's", output_lines(report)),
            *section("Inputs and outputs", tensor_lines(report)),
            *section("Notes on the artifacts", artifact_notes(report)),
            *_costs(report),
            *_layers(report),
            *section("Notes", list(report.notes)),
            *section("Data", data_lines(report)),
            *section("Baseline", baseline_lines(report)),
            *section("Memory", memory_lines(report)),
            *section("Environment", [f"{key}: {value}" for key, value in _facts(report)]),
        ]
    )
    return printable_lines(text)


def _tables(report: Report) -> list[str]:
    lines: list[str] = []
    for table in run_tables(report):
        lines += [f"### {table.head}", ""] if table.head else []
        lines += [*markdown_table(table.headings, table.rows), ""]
    return lines


def section(title: str, lines: Sequence[str]) -> list[str]:
    """Return the lines of a list under a heading; none for an empty list."""
    return [f"## {title}", "", *(f"- {line}" for line in lines), ""] if lines else []


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
        text += f", value = {tensor.scale:.9g} x (stored - {tensor.zero_point or 0})"
    return text


def artifact_notes(report: Report) -> list[str]:
    """Return the notes on each file."""
    return [
        f"{each.artifact.path}: {note}" for each in report.files for note in each.artifact.notes
    ]


def _classes(report: Report) -> list[str]:
    """Return the table of classes of each model, with the pictures of the first."""
    lines: list[str] = []
    for each in report.results:
        head = f" ({each.head})" if each.head else ""
        table = class_table(each, report.data)
        lines += [f"### {each.path}{head}", "", table.below, ""]
        lines += [*markdown_table(table.headings, table.rows), ""]
    if not lines:
        return []
    pictures = [f"![Confusion matrix]({CONFUSION})", "", f"![Calibration]({RELIABILITY})", ""]
    worst = [f"![Worst images]({WORST})", ""] if report.results[0].worst else []
    return ["## Classes", "", *pictures, *worst, *lines]


def _trainings(report: Report) -> list[str]:
    lines = [f"{each.name}: {counted(len(each.epochs), 'epoch')}" for each in report.trainings]
    picture = [f"![Learning curves]({CURVES})", ""] if lines else []
    return [*section("Trainings", lines), *picture]


def _costs(report: Report) -> list[str]:
    if report.costs is None:
        return []
    picture = []
    if report.costs.baseline != report.costs.compressed:
        picture = ["![Widths before and after](widths.png)", ""]
    return [
        "## Costs by the graph, for one image",
        "",
        f"{costs_sentence(report.costs)}.",
        "",
        *picture,
        *markdown_table(COST_HEADINGS, costs_rows(report.costs)),
        "",
    ]


def _layers(report: Report) -> list[str]:
    rows = layer_rows(report)
    if not rows:
        return []
    title = "## Weights, as read back from each file"
    return [title, "", *markdown_table(LAYER_HEADINGS, rows), ""]


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


def _facts(report: Report) -> list[tuple[str, object]]:
    return list(report.environment.items())
