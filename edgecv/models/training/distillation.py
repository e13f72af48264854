"""Knowledge distillation: a model is trained on the outputs of another one for the same images."""

from pydantic import Field

from edgecv.core.options import Options


class Distillation(Options):
    """Train against the baseline's outputs (Hinton, Vinyals and Dean, 2015)."""

    temperature: float = Field(default=4.0, ge=1, le=100)
    """The divisor of the logits: a higher one shows more of the baseline's other classes."""
    mix: float = Field(default=0.8, ge=0, le=1)
    """Weight of the loss against the labels; the rest is against the baseline's outputs."""
