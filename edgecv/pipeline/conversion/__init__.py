"""Conversion in a child process with TensorFlow: a converter that crashes ends no run."""

from edgecv.pipeline.conversion.client import Converter, open_converter

__all__ = ["Converter", "open_converter"]
