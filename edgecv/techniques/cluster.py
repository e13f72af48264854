"""Weight clustering: the weights of a kernel share a few values, which are trained on.

Han, Mao and Dally, "Deep compression", 2016.
"""

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgecv.contracts import Technique, Tuning
from edgecv.schedule import Schedule
from edgecv.techniques._kernels import chosen, clone
from edgecv.tf import load_tensorflow

Initialization = Literal["k-means++", "density"]


class Cluster(Technique):
    """Gives each kernel a few distinct weights, zeros kept, and trains these on."""

    name: ClassVar[str] = "cluster"
    may_follow: ClassVar[tuple[str, ...]] = ("prune",)
    clusters: int = Field(default=16, ge=2, le=256)
    """Distinct values a kernel, zero among them where the kernel has zeros."""
    initialization: Initialization = "k-means++"
    """Where the search for the values starts: k-means++, or even steps of the weights' density."""
    exclude: tuple[str, ...] = Field(default=(), strict=False)
    """Layers to leave whole, by name pattern."""
    training: Schedule = Schedule(
        epochs=4, minimum_steps=150, learning_rate=0.0005, warmup=0.1, patience=None
    )
    """The fine-tuning."""

    def apply(self, model: Any, tuning: Tuning) -> Any:
        """Return a copy of the model whose kernels have at most ``clusters`` distinct values."""
        clustered = clone(model)
        kernels = list(chosen(clustered, self.exclude, {}, "cluster").values())
        for number, kernel in enumerate(kernels):
            values = cluster(
                kernel.numpy(), self.clusters, self.initialization, tuning.seed + number
            )
            kernel.assign(values)
        tuning.fit(clustered, self.training, SharedValues(kernels))
        return clustered


class SharedValues:
    """Keeps weights that are equal equal, and zeros zero: a Constraint."""

    def __init__(self, kernels: list[Any]) -> None:
        tensorflow, _ = load_tensorflow()
        self._tensorflow = tensorflow
        self._kernels = kernels
        self._groups: list[tuple[Any, Any, int]] = []
        for kernel in kernels:
            values, group = np.unique(kernel.numpy(), return_inverse=True)
            self._groups.append(
                (
                    tensorflow.constant(group.ravel().astype(np.int32)),
                    tensorflow.constant((values != 0).astype(np.float32)),
                    len(values),
                )
            )

    def before_step(self, step: int, steps: int) -> None:
        """Change nothing: which weights are equal is decided once."""

    def project(self) -> None:
        """Give the weights of a group their mean; a gradient of the group is then its members'."""
        for kernel, (group, alive, count) in zip(self._kernels, self._groups, strict=True):
            flat = self._tensorflow.reshape(kernel, [-1])
            means = self._tensorflow.math.unsorted_segment_mean(flat, group, count) * alive
            kernel.assign(
                self._tensorflow.reshape(self._tensorflow.gather(means, group), kernel.shape)
            )

    def restore(self) -> None:
        """Go on: the groups were read from the weights that training started with."""

    def settled(self, steps: int) -> int:
        """Return 0: the weights are shared from the start."""
        return 0


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
