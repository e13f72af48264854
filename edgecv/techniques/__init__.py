"""Keras model in, smaller Keras model out: one file, one class."""
