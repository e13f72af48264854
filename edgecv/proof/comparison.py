"""Baseline, twin and candidate side by side."""

from collections.abc import Sequence
from pathlib import PurePath

from edgecv.contracts import Task
from edgecv.proof.agreement import agreement, max_probability_difference
from edgecv.proof.latency import speedup, summarize
from edgecv.records import TWIN_STEM, Artifact, Comparison, Labels, Measurement, Predictions


def is_twin(artifact: Artifact) -> bool:
    """Tell whether an artifact is the float32 export of a baseline."""
    return artifact.precision == "float32" and PurePath(artifact.path).stem == TWIN_STEM


def compare_all(
    measurements: Sequence[Measurement],
    baseline: Predictions | None,
    labels: Labels,
    task: Task,
    threads: int,
) -> list[Comparison]:
    """Compare each measurement with the float twin of its format and with the baseline."""
    twins = {each.artifact.format: each for each in measurements if is_twin(each.artifact)}
    return [
        compare(each, twins.get(each.artifact.format), baseline, labels, task, threads)
        for each in measurements
    ]


def compare(
    measurement: Measurement,
    twin: Measurement | None,
    baseline: Predictions | None,
    labels: Labels,
    task: Task,
    threads: int,
) -> Comparison:
    """Compare one measurement with its float twin and with the baseline's predictions.

    ``baseline``: float32 (N, K) on the same images. ``twin`` is the measurement itself for a twin.
    """
    value = task.metric(measurement.predictions, labels)
    baseline_value = None if baseline is None else task.metric(baseline, labels)
    predictions = measurement.predictions
    ratio = None if twin is None else speedup(twin.blocks_ns, measurement.blocks_ns)
    return Comparison(
        artifact=measurement.artifact,
        runtime=measurement.runtime,
        is_twin=twin is measurement,
        metric=task.metric_name,
        value=value,
        baseline_value=baseline_value,
        difference_points=None if baseline_value is None else (value - baseline_value) * 100,
        agreement=None if baseline is None else agreement(predictions, baseline),
        max_probability_difference=(
            None if baseline is None else max_probability_difference(predictions, baseline)
        ),
        size_ratio=None if twin is None else twin.artifact.bytes / measurement.artifact.bytes,
        speedup=None if ratio is None else ratio[0],
        speedup_interval=None if ratio is None else ratio[1],
        latency=summarize(measurement.blocks_ns, threads),
        input=measurement.facts.input,
        output=measurement.facts.output,
    )
