"""Damage on purpose: runs that are killed, files that are mutated. ``python -m tests.fuzz -h``."""
