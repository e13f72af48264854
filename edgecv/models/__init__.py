"""Keras models: architectures, training, channels, preprocessing in the graph."""
