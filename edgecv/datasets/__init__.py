"""Sources of labelled images, one class in one file each."""
