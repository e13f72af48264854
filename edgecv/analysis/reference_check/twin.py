"""The float32 twin that files are compared with: given, or exported from the Keras baseline."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecv.core.artifact import TWIN_STEM
from edgecv.core.data import Images
from edgecv.core.errors import EdgecvError, RuntimeFailure
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.quantization import Stored
from edgecv.core.registry import EXPORTERS
from edgecv.formats.lookup import runtime_of_file
from edgecv.formats.model_file import ModelFile
from edgecv.formats.trust import NO_TRUST, Trust
from edgecv.pipeline.conversion import open_converter
from edgecv.pipeline.measure import MeasuredFile

NO_IMAGES: Images = np.zeros((0, 1, 1, 1), np.uint8)
"""A float file needs no calibration images."""


@dataclass(frozen=True)
class Twin:
    """A float32 file, and the layer names of its kernels if they are known."""

    path: Path
    input_spec: InputSpec = DEFAULT_INPUT
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reference:
    """A twin and its tensors."""

    twin: Twin
    stored: Stored


def given_twin(
    file_format: str, baseline: Path | None, input_spec: InputSpec, files: Sequence[MeasuredFile]
) -> Twin | None:
    """Return the given twin: the baseline, or a file of the format that is called float32."""
    if baseline is not None and runtime_of_file(baseline).format == file_format:
        return Twin(baseline, input_spec)
    if baseline is not None and runtime_of_file(baseline).needs_tensorflow:
        return None  # A twin that is exported from it is certain to belong to it.
    for file in files:
        if file.artifact.format == file_format and file.path.stem == TWIN_STEM:
            return Twin(file.path, file.input_spec)
    return None


def is_reference(twin: Stored, file: Stored) -> bool:
    """Return True if the weights of a file can be held to those of ``twin``.

    float32 weights are a reference for any file, float16 ones for a file of float16 alone: what
    was made of the float32 original has other roundings in some places.
    """
    kinds, of_file = ({each.type for each in stored.kernels} for stored in (twin, file))
    return kinds == {"float32"} or (
        "float16" in kinds <= {"float16", "float32"} and of_file == {"float16"}
    )


def export_twin(
    baseline: Path,
    file_format: str,
    folder: Path,
    trust: Trust = NO_TRUST,
    input_spec: InputSpec = DEFAULT_INPUT,
) -> Twin:
    """Export a Keras baseline in float32, in a child: this process does not load TensorFlow.

    Quantizers that it was trained with are left out.

    ``input_spec``: how the baseline is read, and so its twin. Raises RuntimeFailure with one line
    if that fails.
    """
    path = folder / f"{TWIN_STEM}.{file_format}"
    exporter = EXPORTERS.get(file_format, "float32 twin")(precision="float32")
    model = ModelFile.at(baseline, trust, input_spec)
    with open_converter() as converter:
        try:
            artifact = converter.export(model, exporter, NO_IMAGES, path, keep_quantizers=False)
        except EdgecvError as error:
            raise RuntimeFailure(
                str(baseline), error.found, accepted=error.accepted, remedy=error.remedy
            ) from error
    preprocess = InputSpec(preprocess=input_spec.preprocess)  # Its axes and its size are usual.
    return Twin(path, preprocess, tuple(layer.name for layer in artifact.layers))
