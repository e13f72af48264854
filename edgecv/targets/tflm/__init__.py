"""TFLite Micro: the file as a C array, its operators, and its arena as measured."""
