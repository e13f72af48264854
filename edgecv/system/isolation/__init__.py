"""Child processes for runtimes, so that a bad file kills the child and not the run."""

from edgecv.system.isolation.hdf5_check import check_hdf5
from edgecv.system.isolation.model_client import ModelClient

__all__ = ["ModelClient", "check_hdf5"]
