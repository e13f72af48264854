"""Compress Keras vision models for the edge, with a proof of what each artifact cost.

The public names stand in ``__init__.pyi``; each is imported when it is first asked for.
"""

import os

import lazy_loader

# ONNX Runtime writes an identifier of the device into the home, and sends events, unless told.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)
__all__ = sorted([*_names, "__version__"])
