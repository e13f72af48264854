"""A folder for people: the file, a program that runs it, golden images, examples, a page."""
