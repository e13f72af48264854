"""Check of a single file: its weights, ranges and claims against a float32 twin."""

from edgecv.analysis.reference_check.check import ReferenceCheck, diagnose

__all__ = ["ReferenceCheck", "diagnose"]
