"""The operating system: files, child processes, processors."""
