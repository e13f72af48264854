"""A model whose preprocessing is to be found, whatever its format."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from edgecv.core.data import Images, Outputs
from edgecv.core.errors import RuntimeFailure
from edgecv.core.input_evidence import InputEvidence
from edgecv.core.input_spec import InputSpec
from edgecv.core.preprocessing import Preprocessing

OF_A_RUN = "it is of a run of edgecv, whose files take pixels of 0..255"
"""The evidence of a file that the manifest beside it lists."""


def no_outputs(images: Images) -> Outputs:
    """Return outputs of a model that gives no numbers for images: float32 (N, 1) of NaN."""
    return Outputs.one(np.full((len(images), 1), np.nan, np.float32))


def one_by_one(
    where: str,
    input_spec: InputSpec,
    run: Callable[[Images, InputSpec], Outputs],
    emit: Callable[[str], None],
) -> Callable[[Images, Mapping[str, Preprocessing]], Mapping[str, Outputs]]:
    """Return ``ModelReader.predict`` of a model that takes one preprocessing at a time."""

    def predict(images: Images, choices: Mapping[str, Preprocessing]) -> Mapping[str, Outputs]:
        emit(f"{len(images):,} images through {where} with each preprocessing")
        found = {}
        for name, choice in choices.items():
            try:
                found[name] = run(images, input_spec.model_copy(update={"preprocess": choice}))
            except RuntimeFailure:
                found[name] = no_outputs(images)
        return found

    return predict


@dataclass(frozen=True)
class ModelReader:
    """A model that can be run with any preprocessing."""

    where: str
    """The name of the model in messages."""
    predict: Callable[[Images, Mapping[str, Preprocessing]], Mapping[str, Outputs]]
    """Returns the outputs for images with each preprocessing, by its name: NaN where it fails."""
    evidence: Callable[[Images], InputEvidence]
    """Returns what the model's graph shows of its pixels."""
