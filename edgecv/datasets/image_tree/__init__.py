"""Images in a folder or a zip with one folder for each class."""
