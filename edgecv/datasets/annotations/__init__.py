"""Targets in files beside images: formats of annotations that people have."""
