"""The preprocessing that a model needs: tried on a sample of images, or read from its graph."""

from edgecv.pipeline.preprocessing.choose import Choice, check_range, choose_preprocessing
from edgecv.pipeline.preprocessing.model_reader import OF_A_RUN, ModelReader, no_outputs, one_by_one

__all__ = [
    "OF_A_RUN",
    "Choice",
    "ModelReader",
    "check_range",
    "choose_preprocessing",
    "no_outputs",
    "one_by_one",
]
