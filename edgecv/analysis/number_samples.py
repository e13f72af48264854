"""Samples for files of any inputs: images of the data, or random values."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgecv.analysis.input_order import input_order
from edgecv.analysis.validate_request import ValidationRequest
from edgecv.core.artifact import FileEnds, TensorFacts
from edgecv.core.data import Images, Predictions
from edgecv.core.errors import InputError, RuntimeFailure
from edgecv.core.preprocessing import Preprocessing, affine_of
from edgecv.core.report import DataFacts, SplitFacts
from edgecv.core.sample import sample_rows
from edgecv.core.text import counted, listed, printable
from edgecv.datasets.npz_arrays import read_inputs
from edgecv.formats.declared_inputs import plain_name, random_reals
from edgecv.formats.image_axes import image_axes
from edgecv.formats.image_input import preprocessing_of
from edgecv.formats.lookup import runtime_of_file
from edgecv.pipeline.context import AnalysisContext
from edgecv.pipeline.load_data import load_data

SAMPLES = 32
SHOWN = 8

Samples = list[Predictions]
"""One array an input: float32 (N, shape of the input)."""


def samples_of(
    request: ValidationRequest, ends: FileEnds, context: AnalysisContext
) -> tuple[Samples, DataFacts]:
    """Return one array an input of the baseline, and what the samples are."""
    if request.source is not None:
        return _image_samples(request, ends, context)
    if request.inputs is not None:
        return _given_samples(request.inputs, ends, str(request.baseline))
    generator = np.random.default_rng(request.settings.seed)
    quantized = _quantized_inputs(request, ends, context)
    samples = [
        random_reals(each, SAMPLES, generator, request.baseline_input).astype(np.float32)
        for each in quantized
    ]
    digest = hashlib.sha256(b"".join(each.tobytes() for each in samples)).hexdigest()
    return samples, DataFacts(
        "random values", (), {"test": SplitFacts(SAMPLES, digest)}, has_labels=False
    )


def _given_samples(path: Path, ends: FileEnds, baseline: str) -> tuple[Samples, DataFacts]:
    """Return the arrays of a file for the baseline's inputs, by name: (N, shape of the input)."""
    where = f"--data {path}"
    arrays = read_inputs(path, where)
    names = [plain_name(each.name) for each in ends.inputs]
    given = {plain_name(name): each for name, each in arrays.items()}
    if set(names) != set(given) or len(given) != len(arrays):
        raise InputError(
            where,
            f"holds {listed(sorted(arrays), SHOWN)}, and {baseline} takes {listed(names, SHOWN)}",
            accepted="an array for each input, by its name",
        )
    counts = {name: len(each) if each.ndim else 0 for name, each in arrays.items()}
    if len(set(counts.values())) != 1 or not min(counts.values()):
        text = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise InputError(where, f"holds other numbers of samples: {text}", accepted="one number")
    samples = []
    for tensor, name in zip(ends.inputs, names, strict=True):
        values = given[name]
        wanted = tensor.shape[1:] if tensor.shape[:1] == (1,) else tensor.shape
        if values.dtype.kind not in "fiub" or values.shape[1:] not in (wanted, tensor.shape):
            raise InputError(
                where,
                f"{name} is {values.dtype} {list(values.shape)}",
                accepted=f"numbers of shape {['samples', *wanted]}",
            )
        reals = values.astype(np.float32)
        if not np.isfinite(reals).all():
            raise InputError(where, f"{name} holds NaN or infinity")
        samples.append(reals.reshape(len(values), *tensor.shape))
    digest = hashlib.sha256(b"".join(each.tobytes() for each in samples)).hexdigest()
    facts = {"test": SplitFacts(len(samples[0]), digest)}
    return samples, DataFacts(printable(path.name), (), facts, has_labels=False)


def _quantized_inputs(
    request: ValidationRequest, ends: FileEnds, context: AnalysisContext
) -> list[TensorFacts]:
    """Return the baseline's inputs with the range of a file's, where only that is quantized."""
    found = list(ends.inputs)
    for file in request.files:
        worker = context.measurements.evaluator(runtime_of_file(file.path).name)
        try:
            own = worker.ends(file.path, file.input_spec)
        except RuntimeFailure:
            continue  # It is a failure of its own when it is run.
        if len(own.inputs) != len(found):
            continue
        for place, tensor in zip(input_order(own, ends)[0], own.inputs, strict=True):
            if found[place].scale is None and tensor.scale is not None:
                found[place] = replace(tensor, shape=found[place].shape)
    return found


def _image_samples(
    request: ValidationRequest, ends: FileEnds, context: AnalysisContext
) -> tuple[Samples, DataFacts]:
    """Return images of the data as the baseline's only input takes them."""
    assert request.source is not None
    assert request.baseline is not None
    if len(ends.inputs) != 1:
        raise InputError(
            "--data",
            f"holds images, and {request.baseline} takes {counted(len(ends.inputs), 'input')}",
            remedy="leave --data out: random values of the declared inputs are taken",
        )
    (tensor,) = _quantized_inputs(request, ends, context)
    axes = image_axes(request.baseline, tensor, request.baseline_input)
    choice, _ = preprocessing_of(request.baseline, tensor, request.baseline_input, axes.image[2])
    data = load_data(request.source, axes.image, context)
    images = data.test.images[sample_rows(len(data.test), SAMPLES)]
    missing = [letter for letter in "NHWC" if letter not in axes.order]
    places = ["NHWC".index(letter) + 1 for letter in (*axes.order, *missing)]
    samples = _reals(images, choice)[:, None].transpose(0, *places)
    samples = samples.reshape(len(images), *axes.shape(1))
    facts = DataFacts(
        data.name, (), {"test": SplitFacts(len(images), data.test.sha256)}, data.notes, False
    )
    return [samples], facts


def _reals(images: Images, choice: Preprocessing) -> Predictions:
    """Return images, uint8 (N, H, W, C), as the numbers that a network takes: float32."""
    scale, offset, order = affine_of(choice, images.shape[3], "--preprocess")
    reals: Predictions = (images[..., order] * scale + offset).astype(np.float32)
    return reals
