"""Comparison of each artifact with the baseline and with the float twin of its format."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath

import numpy as np

from edgecv.core.artifact import TWIN_STEM, Artifact
from edgecv.core.comparison import Comparison, Measurement, MetricValue
from edgecv.core.data import Outputs, Targets
from edgecv.core.plugins import Task
from edgecv.evaluation.latency import speedup, summarize
from edgecv.evaluation.output_differences import aligned, output_differences
from edgecv.evaluation.paired_statistics import DEFAULT_MARGIN_POINTS, paired_statistics


def is_twin(artifact: Artifact) -> bool:
    """Return True if an artifact is the float32 export of a baseline."""
    return artifact.precision == "float32" and PurePath(artifact.path).stem == TWIN_STEM


def align_all(
    measurements: Sequence[Measurement], baseline: Outputs | None
) -> tuple[list[Measurement], dict[str, str]]:
    """Return measurements whose outputs have the names of the baseline's.

    Also path -> reason of those whose outputs cannot be compared. One output needs no name.
    """
    kept, failures = [], {}
    for each in measurements:
        if baseline is None or len(baseline.arrays) == len(each.outputs.arrays) == 1:
            kept.append(each)
            continue
        try:
            outputs, note = aligned(each.outputs, baseline)
        except ValueError as error:
            failures[each.artifact.path] = str(error)
            continue
        notes = (*each.artifact.notes, note) if note else each.artifact.notes
        kept.append(replace(each, outputs=outputs, artifact=replace(each.artifact, notes=notes)))
    return kept, failures


def compare_all(
    measurements: Sequence[Measurement],
    baseline: Outputs | None,
    targets: Targets | None,
    task: Task,
    threads: int,
    margin_points: float = DEFAULT_MARGIN_POINTS,
) -> list[Comparison]:
    """Compare each head of each measurement with the float twin of its format and the baseline.

    ``targets`` are None for images without labels: then there is no metric. ``margin_points`` is
    the margin of "no worse".
    """
    by_head = []
    for head in task.heads():
        own = [replace(each, outputs=head.of(each.outputs)) for each in measurements]
        twins = {each.artifact.format: each for each in own if is_twin(each.artifact)}
        before = None if baseline is None else head.of(baseline)
        found = (
            compare(
                each,
                twins.get(each.artifact.format),
                before,
                head.targets(targets),
                head.task,
                threads,
                margin_points,
            )
            for each in own
        )
        by_head.append([replace(each, head=head.name) for each in found])
    return [each for of_file in zip(*by_head, strict=True) for each in of_file]


def compare(
    measurement: Measurement,
    twin: Measurement | None,
    baseline: Outputs | None,
    targets: Targets | None,
    task: Task,
    threads: int,
    margin_points: float = DEFAULT_MARGIN_POINTS,
) -> Comparison:
    """Compare one measurement with its float twin and with the baseline's outputs.

    ``baseline``: on the same images. ``twin`` is the measurement itself for a twin.
    """
    outputs = measurement.outputs
    value = metric_of(outputs, targets, task)
    baseline_value = metric_of(baseline, targets, task)
    difference = same = mean = largest = statistics = None
    if baseline is not None:
        same = float(np.mean(task.same_answer(outputs, baseline)))
        mean, largest = task.differences(outputs, baseline)
        statistics = paired_statistics(outputs, baseline, targets, task, margin_points)
        if statistics.scores is not None:
            difference = statistics.scores.difference_points
        elif targets is not None:
            difference = gained_points(outputs, baseline, targets, task)
    blocks, twin_blocks = measurement.blocks_ns, None if twin is None else twin.blocks_ns
    ratio = None
    if blocks is not None and twin_blocks is not None:
        ratio = speedup(twin_blocks, blocks)
    return Comparison(
        artifact=measurement.artifact,
        runtime=measurement.runtime,
        is_twin=twin is measurement,
        metric=task.headline.name,
        value=value,
        baseline_value=baseline_value,
        difference_points=difference,
        agreement=same,
        max_probability_difference=largest,
        size_ratio=None if twin is None else twin.artifact.bytes / measurement.artifact.bytes,
        speedup=None if ratio is None else ratio[0],
        speedup_interval=None if ratio is None else ratio[1],
        latency=None if blocks is None else summarize(blocks, threads),
        input=measurement.facts.input,
        output=measurement.facts.output,
        mean_probability_difference=mean,
        statistics=statistics,
        further_metrics=_further_metrics(outputs, baseline, targets, task),
        output_differences=(
            output_differences(outputs, baseline)
            if task.compares_numbers and baseline is not None
            else ()
        ),
        further_outputs=measurement.facts.outputs[1:],
        machine=measurement.machine,
    )


def metric_of(outputs: Outputs | None, targets: Targets | None, task: Task) -> float | None:
    """Return the headline metric, None where outputs or targets are missing."""
    if outputs is None or targets is None:
        return None
    return task.metric(outputs, targets)


def gained_points(outputs: Outputs, baseline: Outputs, targets: Targets, task: Task) -> float:
    """Return what outputs gain over the baseline's, in the points that limits on the drop have.

    Points of an error in a unit of its own, such as pixels, are of the range of the targets.
    """
    rows = np.arange(len(outputs))
    after, before = (task.resampled(each, targets)(rows) for each in (outputs, baseline))
    return task.headline.points * (after - before)


def _further_metrics(
    outputs: Outputs, baseline: Outputs | None, targets: Targets | None, task: Task
) -> tuple[MetricValue, ...]:
    """Return the metrics after the headline that have something to count."""
    if targets is None:
        return ()
    values = ((metric, metric.of(outputs, targets)) for metric in task.metrics[1:])
    return tuple(
        MetricValue(metric.name, value, None if baseline is None else metric.of(baseline, targets))
        for metric, value in values
        if not math.isnan(value)
    )
