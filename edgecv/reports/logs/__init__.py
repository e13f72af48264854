"""Logs of experiments: one plug-in a file."""
