"""Ranges of the twin: the smallest and largest value of each tensor, for each of many images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from edgecv.analysis.reference_check.twin import Twin
from edgecv.core.data import Dataset, Images, Targets
from edgecv.core.images import ImageSequence
from edgecv.core.quantization import Extremes
from edgecv.core.sample import sample_rows
from edgecv.pipeline.context import AnalysisContext
from edgecv.system.isolation import ModelClient

SECONDS = 60.0
"""Time for training images: one of 32x32 takes 0.12 ms through the CIFAR CNN."""
TEST_SECONDS = 10.0
MOST_BYTES = 2**28
"""Limit on the images that are written to a file for the child."""
SEED = 0


@dataclass(frozen=True)
class ReferenceRanges:
    """The twin's ranges on training images, calibration images first, and on test images."""

    train: Extremes | None
    labels: Targets
    """The labels of the training images that were run: int64 (N,), or other targets."""
    of: int
    """The number of training images."""
    test: Extremes


def measure_ranges(
    data: Dataset,
    worker: ModelClient,
    twin: Twin,
    context: AnalysisContext,
    padding: Sequence[float] = (),
) -> ReferenceRanges:
    """Run the twin over test images and training images, as many as the time allows.

    ``padding``: see ``Runtime.watcher``.
    """
    look = partial(worker.extremes, twin.path, input_spec=twin.input_spec, padding=padding)
    # In random order: where the time is short, the first of them are run only.
    test = data.test.images[sample_rows(len(data.test), _most(data.test.images))]
    at_test = look(test, budget_s=TEST_SECONDS)
    images, labels, of = _training_images(data)
    if not len(images):
        return ReferenceRanges(None, labels, of, at_test)
    context.emit("diagnose", f"{len(images):,} training images through the float32 twin")

    def progress(done: int, count: int) -> None:
        context.emit("diagnose", "training images through the float32 twin", done, count)

    at_train = look(images, budget_s=SECONDS, progress=progress)
    return ReferenceRanges(at_train, labels[: len(at_train.high)], of, at_test)


def _training_images(data: Dataset) -> tuple[Images, Targets, int]:
    """Return the calibration images, then all others that a run may have calibrated on.

    The latter are in random order: an archive may hold one class after another.
    """
    calibration = data.calibration
    parts = [data.validation, data.train]
    of = len(calibration) + sum(map(len, parts))
    most = _most(data.test.images)
    images, labels = [calibration.images[:most]], [calibration.labels[:most]]
    room = max(0, most - len(calibration))
    order = np.random.default_rng(SEED).permutation(of - len(calibration))[:room]
    starts = np.cumsum([0, *map(len, parts)])
    for part, start in zip(parts, starts[:-1], strict=True):
        chosen = order[(order >= start) & (order < start + len(part))] - start
        images.append(part.images[chosen])
        labels.append(part.labels[chosen])
    joined, joined_labels = np.concatenate(images), np.concatenate(labels)
    own = min(most, len(calibration))
    mixed = np.random.default_rng(SEED).permutation(len(joined) - own) + own
    order = np.concatenate([np.arange(own), mixed]).astype(np.int64)
    return joined[order], joined_labels[order], of


def _most(images: ImageSequence) -> int:
    return max(1, MOST_BYTES // max(1, int(np.prod(images.shape[1:], dtype=np.int64))))
