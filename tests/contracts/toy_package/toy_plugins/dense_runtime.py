"""What runs that format: numpy."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np

from edgecv.core.artifact import SessionFacts, TensorFacts
from edgecv.core.data import Images, Outputs
from edgecv.core.errors import RuntimeFailure
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.plugins import Runtime


class DenseRuntime(Runtime):
    """Runs .dense files with numpy."""

    name: ClassVar[str] = "numpy"
    format: ClassVar[str] = "dense"
    format_title: ClassVar[str] = "Dense"
    suffixes: ClassVar[tuple[str, ...]] = (".dense",)

    def open(
        self, path: Path, threads: int, input_spec: InputSpec = DEFAULT_INPUT
    ) -> "DenseSession":
        """Open the file at ``path``. Raises RuntimeFailure where it is not usable."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return DenseSession({name: arrays[name] for name in arrays})
        except (ValueError, KeyError) as error:
            raise RuntimeFailure(str(path), f"is no .dense file: {error}") from None


class DenseSession:
    """One .dense file, opened."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self._scale, self._offset = arrays["pixels"]
        count = sum(name.startswith("kernel_") for name in arrays)
        self._layers = [
            tuple(arrays[f"{part}_{number}"].astype(np.float32) for part in ("kernel", "bias"))
            for number in range(count)
        ]
        height, width, channels = map(int, arrays["image"])
        self.facts = SessionFacts(
            TensorFacts("image", (1, height, width, channels), "float32"),
            (TensorFacts("probabilities", (1, len(self._layers[-1][1])), "float32"),),
            ((len(self._layers[-1][1]),),),
            (height, width, channels),
        )

    def predict(self, images: Images) -> Outputs:
        """Run all images: rectified between the layers, a softmax at the end."""
        x = images.reshape(len(images), int(np.prod(self.facts.image)))
        x = x.astype(np.float32) * self._scale + self._offset
        for number, (kernel, bias) in enumerate(self._layers):
            x = (np.maximum(x, 0) if number else x) @ kernel + bias
        powers = np.exp(x - x.max(axis=1, keepdims=True, initial=-np.inf))
        return Outputs.one(powers / powers.sum(axis=1, keepdims=True), "probabilities")

    def single_call(self, image: Images) -> Callable[[], object]:
        """Return a function that runs one image."""
        return lambda: self.predict(image)

    def batch_call(self, images: Images) -> Callable[[], object]:
        """Return a function that runs some images."""
        return lambda: self.predict(images)
