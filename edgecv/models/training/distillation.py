"""Knowledge distillation: a model is trained on the outputs of another one for the same images."""

from math import ceil
from typing import Any, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from edgecv.core.options import Options

LEAST_STEPS = 2_000
"""Steps whose batches differ: of few images, views are too few to learn from again and again."""


class Distillation(Options):
    """Train against the baseline's outputs (Hinton, Vinyals and Dean, 2015)."""

    temperature: float = Field(default=4.0, ge=1, le=100)
    """The divisor of the logits: a higher one shows more of the baseline's other classes."""
    mix: float = Field(default=0.8, ge=0, le=1)
    """Weight of the loss against the labels; the rest is against the baseline's outputs."""
    attention: float = Field(default=0.0, ge=0, le=1000)
    """Weight, beside the loss against the baseline's outputs, of the distance between where in the
    image its activations are large and where those of the trained model are (Zagoruyko and
    Komodakis, 2017)."""
    views: int | None = Field(default=None, ge=1, le=1000)
    """The epochs whose batches are varied anew, of 2,000 steps at least. Then the same batches come
    again, in the same order, and what the teacher says of them is kept, which saves its time (Shen
    and Xing, "A fast knowledge distillation framework for visual recognition", 2022). None varies
    every epoch."""

    def epochs_varied(self, steps: int) -> int | None:
        """Return after how many epochs of ``steps`` the same batches come again; None if never."""
        return None if self.views is None else max(self.views, ceil(LEAST_STEPS / steps))

    @model_validator(mode="after")
    def _is_used(self) -> Self:
        if self.attention and self.mix == 1:
            raise ValueError(
                "attention needs a mix below 1: at 1 nothing is learned from a teacher"
            )
        if self.attention and self.views is not None:
            raise ValueError("views keep outputs alone, and attention needs activations")
        return self

    @model_serializer(mode="wrap")
    def _as_it_was(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what came later and is not used: stored trainings keep their keys."""
        table: dict[str, Any] = written(self)
        later = {"attention": self.attention, "views": self.views}
        return {key: value for key, value in table.items() if later.get(key, True)}
