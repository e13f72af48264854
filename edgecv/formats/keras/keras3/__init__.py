"""Rebuild Keras 3 models as tf-keras models."""
