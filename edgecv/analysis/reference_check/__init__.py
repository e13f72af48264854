"""Check of a single file against a float32 twin: weights, ranges, precision."""

from edgecv.analysis.reference_check.check import diagnose
from edgecv.analysis.reference_check.gates import ReferenceCheck

__all__ = ["ReferenceCheck", "diagnose"]
