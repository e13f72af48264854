"""Knowledge distillation: a model is trained on what another one says of the same images."""

from pydantic import Field

from edgecv.core.options import Options


class Distillation(Options):
    """Train against the baseline's outputs (Hinton, Vinyals and Dean, 2015)."""

    temperature: float = Field(default=4.0, ge=1, le=100)
    """What logits are divided by: higher shows more of how the baseline ranks the other classes."""
    mix: float = Field(default=0.8, ge=0, le=1)
    """Part of the loss that looks at the labels; the rest looks at the baseline's outputs."""
