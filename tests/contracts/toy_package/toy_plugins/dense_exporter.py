"""A format: dense networks as numpy arrays in one file."""

import io
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from edgecv.core.artifact import Artifact, Layer
from edgecv.core.data import Images
from edgecv.core.errors import StepError
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import Exporter
from edgecv.system.storage import describe, write_bytes


class DenseExporter(Exporter):
    """Writes .dense files: the arrays of a chain of dense layers."""

    name: ClassVar[str] = "dense"
    format: ClassVar[str] = "dense"
    precisions: ClassVar[tuple[str, ...]] = ("float32", "float16")
    precision: Literal["float32", "float16"]

    def export(self, model: KerasModel, calibration: Images, path: Path) -> Artifact:
        """Write a chain of Rescaling, Flatten, Dense and softmax."""
        arrays = {"image": np.array(model.inputs[0].shape[1:])}
        layers = []
        for layer in model.layers:
            kind = type(layer).__name__
            if kind == "Rescaling":
                arrays["pixels"] = np.array([layer.scale, layer.offset], np.float32)
            elif kind == "Dense":
                number = len(layers)
                kernel, bias = (weights.astype(self.precision) for weights in layer.get_weights())
                arrays |= {f"kernel_{number}": kernel, f"bias_{number}": bias}
                layers.append(
                    Layer(
                        name=layer.name,
                        shape=kernel.shape,
                        type=self.precision,
                        weights=kernel.size,
                        sparsity=float(np.mean(kernel == 0)),
                        distinct=len(np.unique(kernel)),
                    )
                )
            elif kind not in ("InputLayer", "Flatten", "Activation", "Softmax"):
                raise StepError(path.name, f"{layer.name} is a {kind}", accepted="dense layers")
        content = io.BytesIO()
        np.savez(content, **arrays)
        write_bytes(path, content.getvalue())
        return describe(path, format=self.format, precision=self.precision, layers=tuple(layers))
