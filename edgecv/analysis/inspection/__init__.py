"""Contents of a model file of any origin: read in a child process, returned as plain data."""
