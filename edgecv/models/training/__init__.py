"""Train a Keras model, reproducibly and resumably."""
