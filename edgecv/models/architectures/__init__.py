"""Networks that `edgecv train` can build: one file, one class."""
