"""Where labelled images come from: one file, one class."""
