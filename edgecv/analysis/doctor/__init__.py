"""Diagnosis of a slow or wrong file: its causes and remedies."""
