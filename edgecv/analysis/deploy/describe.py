"""The description of a file for its target: from the file alone, then from what was measured."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from edgecv.analysis.inspection.read_file import inspect
from edgecv.analysis.validate import ValidationArrays
from edgecv.core.plugins import DeployedFile
from edgecv.core.profile import PeakMemory
from edgecv.core.sample import sample_rows
from edgecv.evaluation.task_of import default_task
from edgecv.formats.contents import Contents
from edgecv.formats.image_input import preprocessing_of
from edgecv.formats.lookup import runtime_of_file
from edgecv.formats.tensors import encode_output
from edgecv.pipeline.context import AnalysisContext
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
    runtime = runtime_of_file(file.path).name
    facts = context.measurements.open(runtime, file.path, file.input_spec)
    preprocess, _ = preprocessing_of(file.path, facts.input, file.input_spec, facts.image[2])
    return DeployedFile(
        artifact=file.artifact,
        path=file.path,
        facts=facts,
        input_spec=file.input_spec,
        preprocess=preprocess,
        resize="stretch",
        task=default_task(),
        labels=(),
        golden=np.zeros((0, *facts.image), np.uint8),
        golden_outputs=(),
        activation=None,
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
    file: DeployedFile, arrays: ValidationArrays, resize: str, context: AnalysisContext
) -> DeployedFile:
    """Return a file with what was found while it was measured, and its golden images."""
    data, pool = arrays.data, context.measurements
    (settled,) = (each.input_spec for each in arrays.files if each.path == file.path)
    runtime = runtime_of_file(file.path).name
    golden = data.test.images[np.sort(sample_rows(len(data.test), GOLDEN))]
    outputs = pool.predict(runtime, file.path, golden, settled)
    facts = pool.open(runtime, file.path, settled)
    return replace(
        file,
        facts=facts,
        input_spec=settled,
        preprocess=preprocessing_of(file.path, facts.input, settled, facts.image[2])[0],
        resize=resize,
        task=arrays.task,
        labels=data.class_names,
        golden=golden,
        golden_outputs=tuple(
            encode_output(outputs.arrays[each.name], each, str(file.path)) for each in facts.outputs
        ),
        activation=arrays.task.activation(outputs),
    )
