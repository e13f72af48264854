"""Lossless packing of a finished file of any maker."""
