"""A model file adapted for all later steps, by the child that opens it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from edgecv.core.data import Shape
from edgecv.core.errors import InputError
from edgecv.core.input_evidence import float_encoders, rescaling_of
from edgecv.core.input_spec import InputSpec
from edgecv.core.output_shape import ModelShapes, OutputShape
from edgecv.core.plugins import Task
from edgecv.core.preprocessing import Preprocessing
from edgecv.formats.image_axes import OPEN
from edgecv.formats.keras.image_input import fitted, tensor_facts
from edgecv.formats.keras.runtime import KerasSession
from edgecv.formats.lookup import importer_of, input_shape_of
from edgecv.formats.saved_model.frozen_graph import holds_graph
from edgecv.formats.tensors import answer_shape
from edgecv.formats.trust import Trust
from edgecv.models.input_probe import KerasProbe
from edgecv.models.outputs import Ending, ending_of, output_names, with_outputs
from edgecv.models.preprocessing import found_in, with_preprocessing
from edgecv.models.unquantized import has_quantizers, quantizers_known, without_quantizers
from edgecv.techniques.quantizers.first_kernels import take_pixels

QUANTIZED = "quantized.h5"
"""The file of a model with quantizers, beside the file of the same model without them."""
TRAINED_RANGES = (
    "the model was trained with quantizers: it is compared with itself without them, and its int8"
    " files take the ranges found in that training"
)


class ModelFacts(ModelShapes):
    """Facts of a model file that was opened and adapted."""

    ending: Ending
    """The kind of its own outputs."""
    ending_note: str
    """A sentence on it."""
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
    """A model that takes pixels, and its facts."""

    model: Any
    facts: ModelFacts
    quantized: Any = None
    """The same model with the quantizers that it was trained with; None if it had none."""
    loaded: Any = None
    """The model of the file before its pixels and outputs were adapted, for images of one size;
    None if it had quantizers."""


def adapt(
    path: Path,
    input_spec: InputSpec,
    trust: Trust,
    task: Task | None = None,
    *,
    is_trained: bool = False,
) -> AdaptedModel:
    """Load and adapt a model; ``task``: None to take its outputs as they are.

    ``is_trained``: it is trained on, so its weights keep their size.
    Raises InputError if it is no model, unsafe, or not adaptable.
    """
    importer = importer_of(path)
    original, notes = importer.load_with_notes(path, trust)
    plain = without_quantizers(original) if has_quantizers(original) else original
    loaded, changes = fitted(plain, input_spec, path)
    shape, outputs = input_shape_of(loaded, path), _outputs(loaded, path)
    ending, ending_note = ending_of(loaded)
    own = _rescaling(loaded, shape)
    asked = input_spec.preprocess
    model, more = _adapted(loaded, asked, str(path), own, is_trained=is_trained)
    quantized = None
    if plain is not original:
        with quantizers_known():
            quantized, _ = _adapted(fitted(original, input_spec, path)[0], asked, str(path), own)
            if task is not None:
                quantized, _ = task.finished(quantized, str(path))
            take_pixels(quantized)
        notes = (*notes, TRAINED_RANGES)
    if task is not None:
        model, ending_note = task.finished(model, str(path))
    facts = ModelFacts(
        shape=shape,
        outputs=outputs,
        ending=ending,
        ending_note=ending_note,
        rescales=own is not None,
        is_own=model is original and importer.keeps_its_format(path),
        notes=(*trust.notes(), *notes, *changes, *more),
        untrainable=notes[0] if notes and holds_graph(loaded) else "",
        has_quantizers=quantized is not None,
    )
    return AdaptedModel(model, facts, quantized, loaded if plain is original else None)


def _outputs(model: Any, path: Path) -> tuple[OutputShape, ...]:
    """Return name and shape of each output; open sides are those of a run."""
    facts = [tensor_facts(each) for each in model.outputs]
    if any(OPEN in each.shape[1:] for each in facts):
        shapes = KerasSession(model, path).facts.answers
    else:
        shapes = tuple(answer_shape(path, each, (1, *each.shape[1:])) for each in facts)
    endings: tuple[Ending, ...] = ("numbers",)
    if len(model.outputs) > 1:
        alone = (with_outputs(model, [each]) for each in model.outputs)
        endings = tuple(ending_of(each)[0] for each in alone)
    named = zip(output_names(model), shapes, endings, strict=True)
    return tuple(OutputShape(name=name, shape=shape, ending=end) for name, shape, end in named)


def _rescaling(model: Any, shape: Shape) -> str | None:
    """Return a description of the model's own rescaling of pixels; None if it has none."""
    encode = float_encoders(shape[2])["0..255"]
    rescaling = rescaling_of(KerasProbe(model), encode, shape)
    return (found_in(model) or f"the model, {rescaling}") if rescaling else None


def _adapted(
    model: Any,
    asked: Preprocessing | None,
    where: str,
    own: str | None,
    *,
    is_trained: bool = False,
) -> tuple[Any, tuple[str, ...]]:
    notes: list[str] = []
    if asked is None:
        unseen = "nobody can see whether it rescales them (--preprocess)"
        plain = unseen if holds_graph(model) else "it does not rescale them"
        notes.append(f"pixels of 0..255 enter {own or f'the model: {plain}'}")
    else:
        if own is not None and asked != Preprocessing():
            raise InputError(
                "--preprocess",
                f"the model rescales its pixels itself, by {own}",
                remedy="leave --preprocess out, or say 0..255",
            )
        model, how = with_preprocessing(model, asked, where, is_trained=is_trained)
        notes.append(f"preprocessing: {how}")
    return model, tuple(notes)
