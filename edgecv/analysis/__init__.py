"""Examine models and files: validate, bench, inspect, doctor."""
