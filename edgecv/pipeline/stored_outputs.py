"""Outputs of a model for many images, as bytes in a folder of ours."""

import io
import json
from typing import Any

import numpy as np

from edgecv.core.data import Outputs

NAMES = "names"


def npz_of(outputs: Outputs) -> bytes:
    """Return outputs as an .npz file: arrays by number, and their names in JSON."""
    names = np.frombuffer(json.dumps(list(outputs.arrays)).encode(), np.uint8)
    arrays: dict[str, Any] = {str(n): each for n, each in enumerate(outputs.arrays.values())}
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **{NAMES: names, **arrays})
    return content.getvalue()


def outputs_in(content: bytes) -> Outputs:
    """Return the outputs in a file that ``npz_of`` has made."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        names = json.loads(file[NAMES].tobytes())
        return Outputs({name: file[str(number)] for number, name in enumerate(names)})
