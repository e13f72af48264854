"""Checkpoint of a training: its last finished epoch, enough to go on from."""

import io
import math
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.arrays import DAMAGED_ARRAY
from edgecv.system.storage import write_bytes

Weights = tuple[NDArray[Any], ...]
KINDS = ("weights", "optimizer", "best_weights")
DAMAGE = (*DAMAGED_ARRAY, zipfile.BadZipFile, zlib.error, KeyError, TypeError)
"""Errors of a checkpoint that is cut off, or that another version has written."""


@dataclass(frozen=True)
class Epoch:
    """One pass over the training images.

    ``score`` is the mean score of the training images during the epoch, ``validation_score``
    that of the validation images after it, with the weights as they are kept: higher is better.
    ``loss`` and ``validation_loss`` are of the same images and weights, without variations of the
    validation images; ``learning_rate`` is that of the last step.
    """

    epoch: int
    loss: float
    score: float
    validation_score: float
    seconds: float
    validation_loss: float
    learning_rate: float
    settled: bool = True
    """True if the weights fully satisfy the constraint."""

    def table(self, score: str) -> dict[str, Any]:
        """Return the epoch as JSON's plain values, with the task's name of the score.

        >>> list(Epoch(1, 0.5, 0.8, 0.7, 2.0, 0.6, 0.01).table("accuracy"))[:5]
        ['epoch', 'loss', 'accuracy', 'validation_accuracy', 'seconds']
        """
        names = {"score": score, "validation_score": f"validation_{score}"}
        table = {names.get(key, key): value for key, value in asdict(self).items()}
        if not math.isfinite(self.validation_loss):  # JSON has no such number.
            table["validation_loss"] = None
        return table


@dataclass(frozen=True)
class TrainingProgress:
    """A training after some epochs. ``was_damaged``: True if the checkpoint could not be read."""

    history: tuple[Epoch, ...] = ()
    weights: Weights = ()
    optimizer: Weights = ()
    best_weights: Weights = ()
    was_damaged: bool = False

    @property
    def best(self) -> Epoch:
        """The settled epoch with the highest validation score; the last one of equal ones."""
        return max(self.history, key=lambda each: (each.settled, each.validation_score, each.epoch))

    @property
    def epochs_without_gain(self) -> int:
        """Settled epochs since the highest validation score was first reached."""
        settled = [each.validation_score for each in self.history if each.settled]
        return len(settled) - 1 - settled.index(max(settled)) if settled else 0


def write_progress(path: Path, progress: TrainingProgress) -> None:
    """Write a checkpoint, whole or not at all."""
    buffer = io.BytesIO()
    arrays = {
        f"{kind}_{number:04d}": value
        for kind in KINDS
        for number, value in enumerate(getattr(progress, kind))
    }
    history = np.array([list(asdict(epoch).values()) for epoch in progress.history])
    np.savez(buffer, allow_pickle=False, history=history, **arrays)
    write_bytes(path, buffer.getvalue())


def read_progress(path: Path) -> TrainingProgress:
    """Read a checkpoint; no progress if there is none, or it is damaged."""
    if not path.exists():
        return TrainingProgress()
    try:
        with path.open("rb") as file:  # NumPy leaves a file open that it cannot read.
            return _read(file)
    except DAMAGE:
        return TrainingProgress(was_damaged=True)


def _read(content: IO[bytes]) -> TrainingProgress:
    with np.load(content, allow_pickle=False) as file:
        history = tuple(
            Epoch(**{**row, "epoch": int(row["epoch"]), "settled": bool(row["settled"])})
            for row in (
                dict(zip(Epoch.__dataclass_fields__, values, strict=True))
                for values in file["history"].tolist()
            )
        )
        weights, optimizer, best = (
            tuple(file[key] for key in sorted(file.files) if key.startswith(f"{kind}_"))
            for kind in KINDS
        )
    return TrainingProgress(history, weights, optimizer, best)
