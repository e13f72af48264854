"""Trains a tiny network on one device or on several, and keeps its weights: a program of a test."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from bars import bars

from edgecv.core.data import Dataset
from edgecv.core.events import Event
from edgecv.evaluation.tasks.classification import Classification
from edgecv.models.tf import keras, load_tensorflow, set_seed
from edgecv.models.training import replicas
from edgecv.models.training.devices import use_device
from edgecv.models.training.loop import fit
from edgecv.models.training.schedule import Schedule

SHAPE = (8, 8, 1)


def network() -> Any:
    set_seed(1)
    layers = keras.layers
    return keras.Sequential(
        [
            layers.InputLayer(SHAPE),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, use_bias=False, kernel_regularizer=keras.regularizers.L2(1e-3)),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(2),
            layers.Softmax(),
        ]
    )


def main(device: str, epochs: int, folder: Path, options: dict[str, Any]) -> None:
    """Train; "two-cpus" stands for two GPUs of a host. ``stop``: the epoch after which it ends."""
    stop = options.pop("stop", None)
    tensorflow, _ = load_tensorflow(threads=1)
    if device == "two-cpus":
        config = tensorflow.config
        halves = [config.LogicalDeviceConfiguration()] * 2
        config.set_logical_device_configuration(config.list_physical_devices("CPU")[0], halves)
        strategy = tensorflow.distribute.MirroredStrategy(["cpu:0", "cpu:1"])
        replicas._MADE["gpus"] = replicas.Replicas(strategy)
        device = "gpus"
    elif device != "cpu":
        use_device(device)
    data = Dataset("bars", ("top", "bottom"), *(bars(n, n, SHAPE) for n in (160, 10, 41, 40)))
    schedule = Schedule(
        epochs=epochs, minimum_steps=0, batch=32, learning_rate=0.01, device=device, **options
    )
    model = network()
    messages: list[str] = []

    def listen(event: Event) -> None:
        messages.append(event.message)
        if event.stage == "step" and event.values["epoch"] == stop:
            sys.exit()

    history = fit(
        model,
        data,
        Classification(),
        schedule,
        seed=7,
        checkpoint=folder / "epoch.npz",
        on_event=listen,
    )
    figures = [
        [each.loss, each.score, each.validation_score, each.validation_loss] for each in history
    ]
    np.savez(folder / "weights.npz", *model.get_weights(), figures=np.array(figures))
    (folder / "messages.txt").write_text("\n".join(messages))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4]))
