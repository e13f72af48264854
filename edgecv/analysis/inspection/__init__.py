"""What is in a model file, whoever made it: read in a child process, told as plain data."""
