"""The TFLite format: export, run, inspect."""
