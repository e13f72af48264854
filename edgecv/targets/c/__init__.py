"""C99 projects of TFLite files: no runtime, no heap, one static arena."""
