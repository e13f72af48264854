"""Several GPUs of a host, or several hosts, that share each batch of a training.

Each replica computes the gradients of its part of the batch; their sum is that of the whole batch,
so that the weights are those of one device with the same batch.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.core.errors import InputError, StepError
from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.models.tf import keras, tensorflow
from edgecv.models.training.batch_norm import synchronized
from edgecv.system.storage import write_bytes

GPUS, WORKERS = "gpus", "workers"
SHARED = (GPUS, WORKERS)
"""Devices that are several."""
CLUSTER = (
    '{"cluster": {"worker": ["host-a:2222", "host-b:2222"]}, "task": {"type": "worker", "index":'
    " 0}}"
)


class Replicas:
    """The devices of a strategy of TensorFlow, and what they share."""

    def __init__(self, strategy: Any) -> None:
        self.strategy = strategy
        self.count: int = strategy.num_replicas_in_sync
        resolver = strategy.cluster_resolver
        self.worker: int = (resolver and resolver.task_id) or 0
        """The number of this process among the workers."""
        workers = resolver.cluster_spec().as_dict().get("worker", ()) if resolver else ()
        self.workers = max(1, len(workers))

    @property
    def text(self) -> str:
        """The number of devices, and of processes where there are several."""
        of_workers = f", worker {self.worker + 1} of {self.workers}" if self.workers > 1 else ""
        return f"{self.count} devices{of_workers}"

    def check_batch(self, batch: int) -> None:
        """Raise InputError where a batch cannot be shared evenly."""
        if batch % self.count:
            raise InputError(
                "--batch", f"is {batch}", accepted=f"a multiple of {self.count}, the devices"
            )

    def copy(self, model: KerasModel) -> KerasModel:
        """Return a model with a copy of the weights on each device.

        Its batch normalization takes mean and variance over the whole batch.
        """

        def copy(layer: KerasLayer) -> KerasLayer:
            if isinstance(layer, keras.Model):
                return keras.models.clone_model(layer, clone_function=copy)
            if type(layer) is keras.layers.BatchNormalization:
                return synchronized(layer, self.count)
            return type(layer).from_config(layer.get_config())

        with self.strategy.scope():
            copied = keras.models.clone_model(model, clone_function=copy)
            copied.set_weights(model.get_weights())
        return copied

    def sum_of_parts(self, function: Callable[..., Any], values: Any, *others: Any) -> list[Any]:
        """Return the sums of the numbers that each replica returns for its part of some values.

        The part is one of their first axis. All numbers are summed at once: between hosts each sum
        is a message that the others wait for.
        """

        def part(values: Any, *others: Any) -> Any:
            place = tensorflow.distribute.get_replica_context().replica_id_in_sync_group

            def own(each: Any) -> Any:
                size = each.shape[0] // self.count
                return tensorflow.gather(each, place * size + tensorflow.range(size))

            found = function(tensorflow.nest.map_structure(own, values), *others, place)
            return tensorflow.stack([tensorflow.cast(each, "float32") for each in found])

        found = self.strategy.run(part, args=(values, *others))
        sums: list[Any] = tensorflow.unstack(self.strategy.reduce("SUM", found, axis=None))
        return sums

    def sum_of_workers(self, values: Any) -> Any:
        """Return the sum of the arrays of all workers."""
        if self.workers == 1:
            return values
        return self._sum(tensorflow.constant(values)).numpy()

    @cached_property
    def _sum(self) -> Any:
        first_of_worker = self.worker * (self.count // self.workers)

        def own(values: Any) -> Any:
            place = tensorflow.distribute.get_replica_context().replica_id_in_sync_group
            return tensorflow.where(
                tensorflow.equal(place, first_of_worker), values, tensorflow.zeros_like(values)
            )

        def total(values: Any) -> Any:
            return self.strategy.reduce("SUM", self.strategy.run(own, args=(values,)), axis=None)

        return tensorflow.function(total, autograph=False)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Raise StepError where another worker has stopped, in place of TensorFlow's errors."""
        errors = tensorflow.errors
        try:
            yield
        except (errors.UnavailableError, errors.AbortedError, errors.CancelledError) as error:
            if self.workers == 1:
                raise
            raise StepError(
                "training",
                f"another worker does not answer: {str(error).splitlines()[0][:200]}",
                remedy="start all workers again: they go on after the last epoch",
            ) from error

    def take_first_workers(self, path: Path) -> None:
        """Give each worker the file of the first one; where that has none, no other has."""
        if self.workers == 1:
            return
        content = path.read_bytes() if self.worker == 0 and path.exists() else b""
        length = int(self.sum_of_workers(np.array([len(content)], np.int64))[0])
        padded = np.zeros(length // 8 + 1, np.int64)
        if self.worker == 0:
            padded.view(np.uint8)[:length] = np.frombuffer(content, np.uint8)
        found = self.sum_of_workers(padded).view(np.uint8)[:length].tobytes()
        if self.worker and length:
            write_bytes(path, found)
        elif self.worker:
            path.unlink(missing_ok=True)


def is_first_worker() -> bool:
    """Return True in the process that TF_CONFIG calls the first worker. Raises InputError."""
    return _task(os.environ.get("TF_CONFIG", "")) == 0


_MADE: dict[str, Replicas] = {}


def make_replicas(device: str) -> Replicas:
    """Return the replicas of "gpus" or "workers"; the same ones each time.

    Raises InputError where there are no several GPUs, TF_CONFIG names no workers, or TensorFlow
    has begun to compute in this process.
    """
    if device not in _MADE:
        _MADE[device] = Replicas(_of_gpus() if device == GPUS else _of_workers())
    return _MADE[device]


def _of_gpus() -> Any:
    gpus = tensorflow.config.list_logical_devices("GPU")
    if len(gpus) < 2:
        raise InputError(
            "--device gpus",
            f"TensorFlow sees {len(gpus)} here",
            accepted="two GPUs or more",
            remedy="--device gpu for one" if gpus else "leave it out",
        )
    return tensorflow.distribute.MirroredStrategy([each.name for each in gpus])


def _of_workers() -> Any:
    is_first_worker()
    try:
        return tensorflow.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise InputError(
            "--device workers",
            f"the workers cannot be connected: {error}",
            remedy="train in a process of its own, such as edgecv train",
        ) from None


def _task(text: str) -> int:
    """Return which worker of several this process is. Raises InputError where a text says none."""
    try:
        table = json.loads(text)
        workers, task = table["cluster"]["worker"], table["task"]
        number = int(task["index"])
        are_addresses = all(":" in each for each in workers)
        if task["type"] == "worker" and are_addresses and 0 <= number < len(workers) > 1:
            return number
    except (ValueError, KeyError, TypeError):
        pass  # It is said below what is accepted.
    raise InputError(
        "--device workers",
        f"TF_CONFIG is {text!r:.200}" if text else "TF_CONFIG is not set",
        accepted=CLUSTER,
        remedy="set it on each host, with the number of that host as index",
    )
