"""A model file adapted for all later steps, by the child that opens it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from edgecv.core.errors import InputError
from edgecv.core.options import Options
from edgecv.core.preprocessing import Preprocessing, fitting
from edgecv.core.records import Images, Shape
from edgecv.formats.lookup import count_outputs, importer_of, input_shape_of
from edgecv.formats.saved_model.frozen_graph import holds_graph
from edgecv.formats.trust import Trust
from edgecv.models.input_statistics import misfit
from edgecv.models.preprocessing import found_in, with_preprocessing
from edgecv.models.softmax import with_softmax
from edgecv.models.unquantized import has_quantizers, quantizers_known, without_quantizers

QUANTIZED = "quantized.h5"
"""The file of a model with quantizers, beside the file of the same model without them."""
TRAINED_RANGES = (
    "the model was trained with quantizers: it is compared with itself without them, and its int8"
    " files take the ranges found in that training"
)
FAR = 3.0
"""Divergence of a batch normalization's input from which the pixels are other ones."""


class ModelFacts(Options):
    """Facts of a model file that was opened and adapted."""

    shape: Annotated[Shape, Field(strict=False)]
    """Height, width and channels of its input."""
    outputs: int
    rescales: bool
    """True if the graph itself rescales its pixels."""
    is_own: bool
    """True if the file needs no adaptation."""
    notes: Annotated[tuple[str, ...], Field(strict=False)]
    untrainable: str = ""
    """Reason why no technique can train it; empty for a model with layers."""
    has_quantizers: bool = False
    """True if it was trained with quantizers: its int8 files take the trained ranges."""


@dataclass(frozen=True)
class AdaptedModel:
    """A model that takes pixels and gives probabilities, and its facts."""

    model: Any
    facts: ModelFacts
    quantized: Any = None
    """The same model with the quantizers that it was trained with; None if it had none."""


def adapt(path: Path, asked: Preprocessing | None, trust: Trust) -> AdaptedModel:
    """Load and adapt a model. Raises InputError if it is no model, unsafe, or not adaptable."""
    importer = importer_of(path)
    loaded, notes = importer.load_with_notes(path, trust)
    if has_quantizers(loaded):
        return _with_trained_ranges(loaded, path, asked, trust)
    shape = input_shape_of(loaded, path)
    model, more = _adapted(loaded, asked, str(path), has_layers=importer.has_layers)
    facts = ModelFacts(
        shape=shape,
        outputs=count_outputs(model, path),
        rescales=found_in(loaded) is not None,
        is_own=model is loaded and importer.keeps_its_format(path),
        notes=(*trust.notes(), *notes, *more),
        untrainable=notes[0] if notes and holds_graph(loaded) else "",
    )
    return AdaptedModel(model, facts)


def _with_trained_ranges(
    loaded: Any, path: Path, asked: Preprocessing | None, trust: Trust
) -> AdaptedModel:
    """Adapt a model with quantizers: as it is, and without them, which is the reference."""
    plain = without_quantizers(loaded)
    model, notes = _adapted(plain, asked, str(path), has_layers=True)
    with quantizers_known():
        quantized, _ = _adapted(loaded, asked, str(path), has_layers=True)
    facts = ModelFacts(
        shape=input_shape_of(plain, path),
        outputs=count_outputs(model, path),
        rescales=found_in(plain) is not None,
        is_own=False,
        notes=(*trust.notes(), TRAINED_RANGES, *notes),
        has_quantizers=True,
    )
    return AdaptedModel(model, facts, quantized)


def as_if(model: Any, choice: Preprocessing, path: Path) -> Any:
    """Return a loaded model with this preprocessing in front and a softmax at its end."""
    bare, _ = with_softmax(model, str(path))
    return with_preprocessing(bare, choice, "--preprocess")[0]


def misfits(model: Any, images: Images) -> dict[str, float]:
    """Return the divergence of images from those of the training, for each preprocessing.

    Empty if the model has no such statistics, if the images fit as they are, or if the graph itself
    rescales its pixels.
    """
    now = misfit(model, images)
    if now is None or now < FAR or found_in(model) is not None:
        return {}
    found = {
        name: misfit(with_preprocessing(model, choice, "--preprocess")[0], images)
        for name, choice in fitting(images.shape[3]).items()
    }
    return {name: far for name, far in found.items() if far is not None and not np.isnan(far)}


def _adapted(
    model: Any, asked: Preprocessing | None, where: str, *, has_layers: bool
) -> tuple[Any, tuple[str, ...]]:
    notes: list[str] = []
    own = found_in(model)
    if asked is None:
        if not has_layers:
            own = "the model, and nobody can see whether it rescales them (--preprocess)"
        notes.append(f"pixels of 0..255 enter {own or 'the model, which does not rescale them'}")
    else:
        if own is not None and asked != Preprocessing():
            raise InputError(
                "--preprocess",
                f"the model rescales its pixels itself, by {own}",
                remedy="leave --preprocess out, or say 0..255",
            )
        model, how = with_preprocessing(model, asked, where)
        notes.append(f"preprocessing: {how}")
    adapted, note = with_softmax(model, where)
    return adapted, (*notes, note)
