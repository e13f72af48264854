"""What a single file hides: its weights, ranges and claims held against a float32 twin."""

from edgecv.diagnosis.diagnosing import Diagnosed, diagnose, unproven

__all__ = ["Diagnosed", "diagnose", "unproven"]
