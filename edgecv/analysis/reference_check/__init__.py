"""Check of a single file against a float32 twin: weights, ranges, precision."""

from edgecv.analysis.reference_check.check import ReferenceCheck, diagnose

__all__ = ["ReferenceCheck", "diagnose"]
