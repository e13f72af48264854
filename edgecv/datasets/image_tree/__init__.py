"""Read images from a folder or a zip with one folder a class."""
