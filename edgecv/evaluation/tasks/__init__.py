"""Tasks: the meaning of a model's outputs, one file or folder for each task."""
