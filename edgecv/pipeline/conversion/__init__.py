"""A child process that has TensorFlow and makes files, so that a converter kills it and no run."""

from edgecv.pipeline.conversion.client import Converter, open_converter

__all__ = ["Converter", "open_converter"]
