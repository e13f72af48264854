"""The description of a file for its target: from the file alone, then from what was measured."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from edgecv.analysis.inspection.read_file import inspect
from edgecv.analysis.validation_arrays import ValidationArrays
from edgecv.core.plugins import DeployedFile
from edgecv.core.profile import PeakMemory
from edgecv.core.report import Report
from edgecv.core.sample import sample_rows
from edgecv.formats.contents import Contents
from edgecv.pipeline.context import AnalysisContext
from edgecv.pipeline.deployed_file import deployed_file
from edgecv.pipeline.measure import MeasuredFile

GOLDEN = 20
"""Images that go with a file, with the answers that are expected."""


def described(
    file: MeasuredFile,
    others: tuple[str, ...],
    origin: Mapping[str, Any],
    context: AnalysisContext,
) -> DeployedFile:
    """Return a file as it is checked, before anything is measured: no labels, no golden images."""
    return replace(
        deployed_file(file, context.measurements),
        peak=_peak(inspect(file.path, file.input_spec).contents),
        others=others,
        origin=origin,
    )


def _peak(contents: Contents) -> PeakMemory | None:
    most = contents.peak_activation_bytes
    if most is None:
        return None
    types = [each.activation_type for each in contents.operators]
    is_float = types.count("float32") * 2 > len(types)
    return PeakMemory(most, contents.peak_operator, contents.peak_input_bytes, is_float)


def completed(
    file: DeployedFile,
    report: Report,
    arrays: ValidationArrays,
    resize: str,
    context: AnalysisContext,
) -> DeployedFile:
    """Return a file with what was found while it was measured, and its golden images."""
    data, path = arrays.data, file.artifact.path
    rows = (each.latency for each in report.comparisons if each.artifact.path == path)
    (settled,) = (each for each in arrays.files if each.path == file.path)
    golden = data.test.images[np.sort(sample_rows(len(data.test), GOLDEN))]
    return replace(
        deployed_file(settled, context.measurements, golden, arrays.task),
        artifact=file.artifact,
        resize=resize,
        labels=data.class_names,
        names={head.name: head.data(data).class_names for head in arrays.task.heads() if head.name},
        peak=file.peak,
        others=file.others,
        origin=file.origin,
        seconds=next((each.median_us / 1e6 for each in rows if each is not None), 0.0),
    )
