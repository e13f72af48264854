"""A run against the one that was accepted before: a small committed file, and a verdict."""
