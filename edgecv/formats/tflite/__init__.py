"""What opens an artifact and runs it: one file, one class."""
