"""Readers of model files that people arrive with: one file, one class."""
