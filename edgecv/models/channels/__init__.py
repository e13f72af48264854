"""Dependent channels of a model, their costs, and their removal."""
