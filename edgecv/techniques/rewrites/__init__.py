"""Equivalent rewrites of a model before a technique changes it."""
