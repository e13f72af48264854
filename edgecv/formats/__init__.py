"""Keras model in, one file out, in one format at one precision: one file, one class."""
