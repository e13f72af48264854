"""A measured file as targets take it."""

from typing import TYPE_CHECKING

import numpy as np

from edgecv.core.data import Images
from edgecv.core.plugins import DeployedFile, Task
from edgecv.evaluation.task_of import default_task
from edgecv.formats.image_input import preprocessing_of
from edgecv.formats.lookup import runtime_of_file
from edgecv.formats.tensors import encode_output

if TYPE_CHECKING:
    from edgecv.pipeline.measure import MeasuredFile, MeasurementPool


def deployed_file(
    file: "MeasuredFile",
    pool: "MeasurementPool",
    golden: Images | None = None,
    task: Task | None = None,
) -> DeployedFile:
    """Return a file with what this machine's runtime says of it, and golden images if given.

    ``task``: says if the outputs for these are logits.

    Labels, and everything else that only people need, are left open.
    """
    runtime, spec = runtime_of_file(file.path).name, file.input_spec
    facts = pool.open(runtime, file.path, spec)
    outputs = None if golden is None else pool.predict(runtime, file.path, golden, spec)
    return DeployedFile(
        artifact=file.artifact,
        path=file.path,
        facts=facts,
        input_spec=spec,
        preprocess=preprocessing_of(file.path, facts.input, spec, facts.image[2])[0],
        resize="stretch",
        task=task or default_task(),
        labels=(),
        golden=np.zeros((0, *facts.image), np.uint8) if golden is None else golden,
        golden_outputs=()
        if outputs is None
        else tuple(
            encode_output(outputs.arrays[each.name], each, str(file.path)) for each in facts.outputs
        ),
        activation=None if task is None or outputs is None else task.activation(outputs),
        pixel_classes=None if task is None or outputs is None else task.pixel_classes(outputs),
        peak=None,
    )
