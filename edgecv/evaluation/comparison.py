"""Baseline, twin and candidate side by side."""

from collections.abc import Sequence
from pathlib import PurePath

from edgecv.core.plugins import Task
from edgecv.core.records import TWIN_STEM, Artifact, Comparison, Labels, Measurement, Predictions
from edgecv.evaluation.agreement import (
    agreement,
    max_probability_difference,
    mean_probability_difference,
)
from edgecv.evaluation.latency import speedup, summarize
from edgecv.evaluation.paired_statistics import DEFAULT_MARGIN_POINTS, paired_statistics


def is_twin(artifact: Artifact) -> bool:
    """Tell whether an artifact is the float32 export of a baseline."""
    return artifact.precision == "float32" and PurePath(artifact.path).stem == TWIN_STEM


def compare_all(
    measurements: Sequence[Measurement],
    baseline: Predictions | None,
    labels: Labels | None,
    task: Task,
    threads: int,
    margin_points: float = DEFAULT_MARGIN_POINTS,
) -> list[Comparison]:
    """Compare each measurement with the float twin of its format and with the baseline.

    ``labels`` are None where they are not known: then no metric is. ``margin_points`` is what
    "no worse" is asked for.
    """
    twins = {each.artifact.format: each for each in measurements if is_twin(each.artifact)}
    return [
        compare(
            each, twins.get(each.artifact.format), baseline, labels, task, threads, margin_points
        )
        for each in measurements
    ]


def compare(
    measurement: Measurement,
    twin: Measurement | None,
    baseline: Predictions | None,
    labels: Labels | None,
    task: Task,
    threads: int,
    margin_points: float = DEFAULT_MARGIN_POINTS,
) -> Comparison:
    """Compare one measurement with its float twin and with the baseline's predictions.

    ``baseline``: float32 (N, K) on the same images. ``twin`` is the measurement itself for a twin.
    """
    predictions = measurement.predictions
    value = metric_of(predictions, labels, task)
    baseline_value = metric_of(baseline, labels, task)
    difference = None
    if value is not None and baseline_value is not None:
        difference = (value - baseline_value) * 100
    blocks, twin_blocks = measurement.blocks_ns, None if twin is None else twin.blocks_ns
    ratio = None
    if blocks is not None and twin_blocks is not None:
        ratio = speedup(twin_blocks, blocks)
    return Comparison(
        artifact=measurement.artifact,
        runtime=measurement.runtime,
        is_twin=twin is measurement,
        metric=task.metric_name,
        value=value,
        baseline_value=baseline_value,
        difference_points=difference,
        agreement=None if baseline is None else agreement(predictions, baseline),
        max_probability_difference=(
            None if baseline is None else max_probability_difference(predictions, baseline)
        ),
        size_ratio=None if twin is None else twin.artifact.bytes / measurement.artifact.bytes,
        speedup=None if ratio is None else ratio[0],
        speedup_interval=None if ratio is None else ratio[1],
        latency=None if blocks is None else summarize(blocks, threads),
        input=measurement.facts.input,
        output=measurement.facts.output,
        mean_probability_difference=(
            None if baseline is None else mean_probability_difference(predictions, baseline)
        ),
        statistics=(
            None
            if baseline is None
            else paired_statistics(predictions, baseline, labels, margin_points)
        ),
    )


def metric_of(predictions: Predictions | None, labels: Labels | None, task: Task) -> float | None:
    """Return a task's metric, None where predictions or labels are missing."""
    if predictions is None or labels is None:
        return None
    return task.metric(predictions, labels)
