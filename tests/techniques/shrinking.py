"""A tiny network to shrink, and a bench that writes down what shrink asks of it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgecv.core.costs import TrialExport
from edgecv.core.data import Split
from edgecv.core.plugins import TechniqueContext
from edgecv.evaluation.tasks.classification import Classification
from edgecv.models.channels.costs import cost_of
from edgecv.models.channels.graph import ChannelGraph
from edgecv.models.channels.trace import trace
from edgecv.models.tf import load_tensorflow, set_seed
from edgecv.techniques.channel_pruning.allocation import Candidate

SHAPE = (12, 12, 3)


def split(images: int, seed: int) -> Split:
    """Make images whose class is where they are bright: top or bottom."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, images)
    pixels = random.integers(0, 100, (images, *SHAPE)).astype(np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        image[6 * label : 6 * label + 6] += 100
    return Split(pixels, labels, str(seed))


CALIBRATION = split(48, 2)


@dataclass
class MeasurementPool:
    """What a technique is given, and what it did with it. Bytes and time follow the parameters."""

    base: int = 0
    fits: list[Any] = field(default_factory=list)
    tried: list[tuple[int, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    before: Mapping[str, str] = field(default_factory=dict)
    """What was remembered before a kill."""
    remembered: dict[str, str] = field(default_factory=dict)

    def context(self) -> TechniqueContext:
        self.remembered = dict(self.before)
        return TechniqueContext(
            fit=self._fit,
            seed=3,
            task=Classification(),
            calibration=CALIBRATION,
            note=self.notes.append,
            input_shape=(8, 8, 3),
            head=lambda **options: (),
            progress=lambda words, done, total: self.done.append(words),
            trial=self._trial,
            remember=self._remember,
        )

    def _fit(
        self, model: Any, schedule: Any, constraint: Any = None, distillation: Any = None
    ) -> None:
        assert constraint is None
        self.fits.append((model.count_params(), schedule, distillation))

    def _trial(self, model: Any, runtime: str, precision: str) -> TrialExport:
        parameters = model.count_params()
        self.tried.append((parameters, runtime, precision))
        times = parameters / 10, self.base / parameters
        return TrialExport(parameters + 1000, *times, arena_bytes=parameters, peak="conv_1")

    def _remember(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self.remembered:
            self.remembered[name] = json.dumps(make())
        return json.loads(self.remembered[name])


def small(norms: int = 0) -> Any:
    """Return a chain of conv_1, conv_2, dense_1, each of 16 channels, the first so many normed."""
    set_seed(0)
    _, keras = load_tensorflow()
    layers = keras.layers
    return keras.Sequential(
        [
            layers.InputLayer(SHAPE, name="image"),
            layers.Rescaling(1 / 128, offset=-1.0, name="rescale"),
            layers.Conv2D(16, 3, name="conv_1"),
            *([layers.BatchNormalization(name="norm_1")] if norms > 0 else []),
            layers.ReLU(name="relu_1"),
            layers.Conv2D(16, 3, strides=2, name="conv_2"),
            *([layers.BatchNormalization(name="norm_2")] if norms > 1 else []),
            layers.ReLU(name="relu_2"),
            layers.Flatten(name="flatten"),
            layers.Dense(16, activation="relu", name="dense_1"),
            *([layers.BatchNormalization(name="norm_3")] if norms > 2 else []),
            layers.Dense(2, name="logits"),
            layers.Softmax(name="probabilities"),
        ]
    )


def widths_of(model: Any) -> dict[str, int]:
    return {width.name: len(width) for width in trace(model).widths}


Paths = list[tuple[list[Candidate], int]]


OPTIONS: dict[str, Any] = {"multiple": 4, "floor": 0.25, "ranking": "l2"}


RANKED = "ranking channels by l2"


def cost_with(graph: ChannelGraph, kept: Mapping[str, int]) -> Any:
    gone = [width.units[kept[width.name] :] for width in graph.widths]
    return cost_of(graph, graph.without(np.concatenate(gone)))


SIDES = ("left", "right")


def with_dead(side: str) -> Any:
    """Return two branches of one size, of which one has no effect on the output."""
    set_seed(0)
    _, keras = load_tensorflow()
    layers = keras.layers
    image = layers.Input(SHAPE)
    scaled = layers.Rescaling(1 / 128, offset=-1.0)(image)
    made = [layers.Conv2D(16, 3, activation="relu", name=name)(scaled) for name in SIDES]
    x = layers.Conv2D(16, 3, strides=2, activation="relu", name="after")(layers.Concatenate()(made))
    x = layers.Dense(2, name="logits")(layers.Flatten()(x))
    model = keras.Model(image, layers.Softmax()(x))
    kernel, bias = model.get_layer("after").get_weights()
    kernel[:, :, 16 * SIDES.index(side) :][:, :, :16] = 0
    model.get_layer("after").set_weights([kernel, bias])
    return model
