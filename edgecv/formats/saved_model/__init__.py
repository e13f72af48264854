"""The TensorFlow SavedModel format: import."""
