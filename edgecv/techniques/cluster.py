"""Weight clustering: the weights of a kernel share a few values, which are trained further.

Han, Mao and Dally, "Deep compression", 2016.
"""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgecv.core.artifact import Layer
from edgecv.core.data import Shape
from edgecv.core.errors import InputError, StepError
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import Head, ModelProperty, Technique, TechniqueContext, TechniqueFlag
from edgecv.core.plugins.technique import WIDTHS_OUTPUTS_ZEROS
from edgecv.core.text import counted
from edgecv.models.training.distillation import Distillation
from edgecv.models.training.schedule import Schedule
from edgecv.techniques.layer_selection import (
    chosen,
    is_left_whole,
    note_left_whole,
    target_of,
)
from edgecv.techniques.rewrites.fold_batch_norm import fold, folded_note, normalizations_in
from edgecv.techniques.rewrites.plain_layers import flatten
from edgecv.techniques.weight_sharing import SharedValues

Initialization = Literal["k-means++", "density"]


class Cluster(Technique):
    """Gives each kernel a few distinct weights, zeros kept, and trains these on."""

    name: ClassVar[str] = "cluster"
    makes: ClassVar[frozenset[str]] = frozenset({ModelProperty.SHARED_VALUES})
    keeps: ClassVar[frozenset[str]] = WIDTHS_OUTPUTS_ZEROS
    flag: ClassVar[TechniqueFlag | None] = TechniqueFlag(
        "Give each kernel at most so many distinct weights.",
        place=40,
        kind=int,
        parse=lambda value, exports: {"clusters": value},
        beside={"distil": {"distil": {}}},
    )
    clusters: int = Field(default=16, ge=2, le=256)
    """Distinct values per kernel, zero included if the kernel has zeros."""
    layers: dict[str, Annotated[int, Field(ge=2, le=256)]] = Field(default={})
    """Other numbers for layers by name pattern: {"dense_*" = 12}; the first that matches."""
    initialization: Initialization = "k-means++"
    """The initial values of the search: k-means++, or even steps of the weights' density."""
    exclude: tuple[str, ...] = Field(default=(), strict=False)
    """Layers to leave whole, by name pattern."""
    training: Schedule = Schedule(
        epochs=4, minimum_steps=150, learning_rate=0.0005, warmup=0.1, patience=None
    )
    """The fine-tuning."""
    distil: Distillation | None = None
    """Train against the baseline's outputs."""

    def check_model(self, model: KerasModel) -> None:
        """Raise InputError if a pattern matches no layer, or shared weights would not survive."""
        self._folded(model)

    def network_after(self, model: KerasModel, input_shape: Shape, head: Head) -> KerasModel:
        """Return the model with its batch normalization folded."""
        return self._folded(model)[0]

    def apply(self, model: KerasModel, context: TechniqueContext) -> KerasModel:
        """Return a copy of the model whose kernels have at most ``clusters`` distinct values.

        Batch normalization is folded first: a converter would fold it later, channel by channel,
        and equal weights would not stay equal.
        """
        clustered, folded = self._folded(model)
        if folded:
            context.note(folded_note(folded))
        note_left_whole(clustered, context.note)
        kernels = chosen(clustered, self.exclude, self.layers, "cluster")
        for number, (name, kernel) in enumerate(kernels.items()):
            seed, most = context.seed + number, target_of(name, self.layers, self.clusters)
            kernel.assign(cluster(kernel.numpy(), most, self.initialization, seed))
        context.fit(clustered, self.training, SharedValues(list(kernels.values())), self.distil)
        return clustered

    def shared_kernels(self, model: KerasModel) -> frozenset[str]:
        """Return the layers that are not excluded."""
        return frozenset(chosen(model, self.exclude, self.layers, "cluster"))

    def check(self, layers: Sequence[Layer], where: str) -> None:
        """Raise StepError if a layer of a file has more distinct weights than asked for."""
        for layer in layers:
            most = target_of(layer.name, self.layers, self.clusters)
            if not is_left_whole(layer, self.exclude) and layer.distinct > most:
                raise StepError(
                    where,
                    f"{layer.name} has {counted(layer.distinct, 'distinct weight')},"
                    f" {most} were asked for",
                    remedy=f'exclude it: exclude = ["{layer.name}"]',
                )

    def _folded(self, model: KerasModel) -> tuple[KerasModel, tuple[str, ...]]:
        """Return a copy that can be clustered, and what was folded in it."""
        chosen(model, self.exclude, self.layers, "cluster")
        result, folded = fold(flatten(model))
        for name in normalizations_in(result):
            raise InputError(
                "cluster",
                f"{name} cannot be folded into the layer before it, and a converter may fold it"
                " elsewhere, channel by channel: equal weights would not stay equal",
                accepted="batch normalization directly behind a convolution or dense layer",
                remedy="leave cluster out; prune and int8 keep what they promise",
            )
        return result, folded


def cluster(
    kernel: NDArray[np.float32], clusters: int, initialization: Initialization, seed: int
) -> NDArray[np.float32]:
    """Return the kernel with each weight replaced by the value of its cluster.

    Zeros stay zero and are one of the clusters.
    """
    from sklearn.cluster import KMeans

    weights = kernel[kernel != 0].astype(np.float64).reshape(-1, 1)
    free = clusters - int(weights.size < kernel.size)
    free = min(free, len(np.unique(weights)))
    if not free:
        return kernel
    start: Any = initialization
    if initialization == "density":
        start = np.quantile(weights, (np.arange(free) + 0.5) / free).reshape(-1, 1)
    found = KMeans(free, init=start, n_init=1, random_state=seed).fit(weights)
    result = kernel.copy()
    result[kernel != 0] = found.cluster_centers_[found.labels_, 0]
    return result
