"""Runs a runtime in a child process, so that a bad file kills the child and not the run."""

from edgecv.worker.hdf5 import check_hdf5
from edgecv.worker.parent import Worker

__all__ = ["Worker", "check_hdf5"]
