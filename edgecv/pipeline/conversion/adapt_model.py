"""A model file adapted for all later steps, by the child that opens it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from edgecv.core.errors import InputError
from edgecv.core.input_evidence import float_encoders, rescaling_of
from edgecv.core.input_spec import InputSpec
from edgecv.core.options import Options
from edgecv.core.preprocessing import Preprocessing
from edgecv.core.records import Shape
from edgecv.formats.keras.image_input import fitted
from edgecv.formats.lookup import count_outputs, importer_of, input_shape_of
from edgecv.formats.trust import Trust
from edgecv.models.input_probe import KerasProbe
from edgecv.models.preprocessing import found_in, with_preprocessing
from edgecv.models.softmax import with_softmax


class ModelFacts(Options):
    """Facts of a model file that was opened and adapted."""

    shape: Annotated[Shape, Field(strict=False)]
    """Height, width and channels of its input."""
    outputs: int
    rescales: bool
    """True if the graph itself rescales its pixels."""
    is_own: bool
    """True if the file needs no adaptation."""
    gives_logits: bool
    """True if a softmax was added to it."""
    notes: Annotated[tuple[str, ...], Field(strict=False)]


@dataclass(frozen=True)
class AdaptedModel:
    """A model that takes pixels and gives probabilities, and its facts."""

    model: Any
    facts: ModelFacts


def adapt(path: Path, input_spec: InputSpec, trust: Trust) -> AdaptedModel:
    """Load and adapt a model. Raises InputError if it is no model, unsafe, or not adaptable."""
    importer = importer_of(path)
    original, notes = importer.load_with_notes(path, trust)
    loaded, changes = fitted(original, input_spec, path)
    shape = input_shape_of(loaded, path)
    own = _rescaling(loaded, shape)
    model, more, gives_logits = _adapted(loaded, input_spec.preprocess, str(path), own)
    facts = ModelFacts(
        shape=shape,
        outputs=count_outputs(model, path),
        rescales=own is not None,
        is_own=model is original and importer.keeps_its_format(path),
        gives_logits=gives_logits,
        notes=(*trust.notes(), *notes, *changes, *more),
    )
    return AdaptedModel(model, facts)


def _rescaling(model: Any, shape: Shape) -> str | None:
    """Return a description of the model's own rescaling of pixels; None if it has none."""
    encode = float_encoders(shape[2])["0..255"]
    rescaling = rescaling_of(KerasProbe(model), encode, shape)
    return (found_in(model) or f"the model, {rescaling}") if rescaling else None


def _adapted(
    model: Any, asked: Preprocessing | None, where: str, own: str | None
) -> tuple[Any, tuple[str, ...], bool]:
    notes: list[str] = []
    if asked is None:
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
    return adapted, (*notes, note), adapted is not model
