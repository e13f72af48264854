"""A deployed file for tests of targets: its facts, without anything behind them."""

from pathlib import Path
from typing import Any

import numpy as np

from edgecv.core.artifact import Artifact, SessionFacts, TensorFacts
from edgecv.core.input_spec import DEFAULT_INPUT
from edgecv.core.plugins import DeployedFile
from edgecv.core.preprocessing import Preprocessing
from edgecv.core.profile import PeakMemory
from edgecv.evaluation.task_of import default_task


def deployed_file(suffix: str, **other: Any) -> DeployedFile:
    """Return a file of 1,000 bytes for grey images of 8x8 pixels, with three classes."""
    name = f"int8.{suffix}"
    given: dict[str, Any] = {
        "artifact": Artifact(name, suffix, "int8", 1000, 900, "0" * 64),
        "path": Path(name),
        "facts": SessionFacts(
            TensorFacts("image", (1, 8, 8, 1), "uint8", 1.0, 0),
            (TensorFacts("probabilities", (1, 3), "uint8", 1 / 256, 0),),
            ((3,),),
            (8, 8, 1),
        ),
        "input_spec": DEFAULT_INPUT,
        "preprocess": Preprocessing(),
        "resize": "stretch",
        "task": default_task(),
        "labels": ("a", "b", "c"),
        "golden": np.zeros((2, 8, 8, 1), np.uint8),
        "golden_outputs": (np.zeros((2, 3), np.uint8),),
        "activation": None,
        "pixel_classes": None,
        "peak": PeakMemory(500, "conv", 64),
    }
    return DeployedFile(**given | other)
