"""The child's side: loads a Keras model, writes its float32 file, and ends."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.errors import EdgecvError


def main() -> None:
    """Export what the second argument says."""
    settings = json.loads(sys.argv[2])
    # Native code prints to descriptor 1: it gets the log instead.
    answer = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(answer, "w") as file:
        file.write(json.dumps(_answer(settings)) + "\n")
    os._exit(0)


def _answer(settings: dict[str, Any]) -> dict[str, Any]:
    from edgecv.importers.keras import load
    from edgecv.registry import EXPORTERS
    from edgecv.trust import Trust

    trust = Trust.model_validate(settings["trust"])
    file_format = settings["format"]
    try:
        exporter = EXPORTERS.get(file_format, "diagnosis")(precision="float32")
        none = np.zeros((0, 1, 1, 1), np.uint8)
        with trust.scope():
            model = load(Path(settings["baseline"]), trust)
            artifact = exporter.export(model, none, Path(settings["path"]))
    except EdgecvError as error:
        return {"failure": error.reason}
    return {"names": [layer.name for layer in artifact.layers]}
