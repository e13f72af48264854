"""Child processes for runtimes, so that a bad file kills the child and not the run.

The names are imported when they are first asked for: a child itself needs none of them.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from edgecv.system.isolation.hdf5_check import check_hdf5
    from edgecv.system.isolation.model_client import ModelClient

__all__ = ["ModelClient", "check_hdf5"]
__getattr__, _, _ = lazy_loader.attach(
    __name__, submod_attrs={"hdf5_check": ["check_hdf5"], "model_client": ["ModelClient"]}
)
