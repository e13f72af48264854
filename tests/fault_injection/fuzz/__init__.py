"""Runs that are killed, files that are mutated: ``python -m tests.fault_injection.fuzz -h``."""
