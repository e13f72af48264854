"""Augmentation: images of a batch are shifted and mirrored, and their targets with them.

Where a task allows it, images are partly hidden (DeVries and Taylor, "Cutout", 2017) and blended
(Zhang et al., "mixup", 2018).
"""

from dataclasses import dataclass
from typing import ClassVar

from edgecv.core.errors import InputError
from edgecv.core.keras_types import Tensor
from edgecv.core.plugins import Task
from edgecv.models.tf import load_tensorflow
from edgecv.models.training.schedule import Schedule


@dataclass(frozen=True)
class BatchMove:
    """The shift of each image of a batch, and whether it is mirrored."""

    offsets: Tensor
    """int32 (2, N, 1): row and column, in the image with margins, of its first pixel."""
    is_mirrored: Tensor | None
    """bool (N, 1); None where no image is."""
    margin: int
    """Width of the margins, in pixels: the largest shift. They mirror the image."""
    size: tuple[int, int]
    """Height and width of the images, in pixels."""
    cuts: ClassVar[bool] = False

    def pixels(self, maps: Tensor) -> Tensor:
        """Return images or masks that were moved: (N, H, W, C) of the same type."""
        tensorflow, _ = load_tensorflow()
        count, height, width = maps.shape[:3]
        margins = [[0, 0], [self.margin, self.margin], [self.margin, self.margin], [0, 0]]
        padded = tensorflow.pad(maps, margins, mode="REFLECT")
        rows = self.offsets[0] + tensorflow.range(height)
        columns = tensorflow.broadcast_to(tensorflow.range(width), (count, width))
        if self.is_mirrored is not None:
            columns = tensorflow.where(self.is_mirrored, width - 1 - columns, columns)
        moved = tensorflow.gather(padded, rows, axis=1, batch_dims=1)
        return tensorflow.gather(moved, self.offsets[1] + columns, axis=2, batch_dims=1)

    def points(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return where points are after the move, in pixels: float32 (N, K) each.

        A pixel reaches from its number to the next: the image from 0 to its width.
        """
        tensorflow, _ = load_tensorflow()
        down, right = (
            tensorflow.cast(self.margin - self.offsets[axis], x.dtype) for axis in (0, 1)
        )
        x, y = x + right, y + down
        if self.is_mirrored is not None:
            x = tensorflow.where(self.is_mirrored, self.size[1] - x, x)
        return x, y


def augment(
    images: Tensor, targets: Tensor, seeds: Tensor, schedule: Schedule, task: Task
) -> tuple[Tensor, Tensor]:
    """Shift and mirror a batch: uint8 (N, H, W, C) -> float32 of the same shape, and its targets.

    ``seeds`` (2,) alone decides what happens to each image.
    """
    tensorflow, _ = load_tensorflow()
    if not schedule.shift and not schedule.mirror:
        return tensorflow.cast(images, tensorflow.float32), targets
    chance = tensorflow.random.stateless_uniform((3, images.shape[0], 1), seeds)
    offsets = tensorflow.cast(chance[:2] * (2 * schedule.shift + 1), tensorflow.int32)
    is_mirrored = chance[2] < 0.5 if schedule.mirror else None
    move = BatchMove(offsets, is_mirrored, schedule.shift, tuple(images.shape[1:3]))
    return tensorflow.cast(move.pixels(images), tensorflow.float32), task.moved(targets, move)


def hide(images: Tensor, seeds: Tensor, side: int) -> Tensor:
    """Give a square of each image its mean: float32 (N, H, W, C). At the edges it is cut off."""
    tensorflow, _ = load_tensorflow()
    count, height, width = images.shape[:3]
    chance = tensorflow.random.stateless_uniform((2, count, 1), _others(seeds, 1))

    def is_near(length: int, axis: int) -> Tensor:
        middle = tensorflow.floor(chance[axis] * length)
        return tensorflow.abs(tensorflow.range(length, dtype="float32") - middle + 0.25) < side / 2

    square = is_near(height, 0)[:, :, None, None] & is_near(width, 1)[:, None, :, None]
    return tensorflow.where(square, tensorflow.reduce_mean(images, (1, 2), keepdims=True), images)


def blend(
    images: Tensor, seeds: Tensor, parameter: float, labelled: int | None = None
) -> tuple[Tensor, Tensor]:
    """Blend each image with the one that stands as far from the other end of the batch.

    The first ``labelled`` images and those after them, where given, stay among themselves.
    Returns the images, float32 (N, H, W, C), and the share of the image itself: float32 ().
    """
    tensorflow, _ = load_tensorflow()
    parts = tensorflow.random.stateless_gamma((2,), _others(seeds, 2), parameter)
    share = parts[0] / tensorflow.maximum(parts[0] + parts[1], 1e-12)
    others = images[:labelled][::-1]
    if labelled is not None:
        others = tensorflow.concat([others, images[labelled:][::-1]], axis=0)
    return share * images + (1 - share) * others, share


def _others(seeds: Tensor, use: int) -> Tensor:
    """Return seeds for another use of chance in the same step: int32 (2,)."""
    tensorflow, _ = load_tensorflow()
    return tensorflow.random.experimental.stateless_fold_in(seeds, use)


def check_schedule(schedule: Schedule, task: Task, where: str) -> None:
    """Raise InputError for a schedule that a task cannot be trained by."""
    task.check_trainable()
    check_augmentation(schedule, task, where)
    if schedule.sampling == "balanced":
        if not task.has_one_class:
            raise InputError(
                where,
                f"balanced sampling is for one class an image, and the task is {task.name}",
                remedy="leave sampling out",
            )
        if task.weighs_classes:
            raise InputError(
                where,
                "balanced sampling and weights of the classes would both count small classes more",
                remedy="leave sampling or class_weights out",
            )


def check_augmentation(schedule: Schedule, task: Task, where: str) -> None:
    """Raise InputError for a variation of the images that the targets of a task do not survive."""
    for name in ("cutout", "mixup"):
        if getattr(schedule, name) and not all(head.task.blends for head in task.heads()):
            raise InputError(
                where,
                f"{name} is for labels of a whole image, and the targets of {task.name} are numbers"
                " or lie at places of it",
                remedy=f"leave {name} out",
            )
    turn = schedule.augment.get("rotate", 0.0)
    for name, goes in (("crop", task.can_crop), ("rotate", turn <= task.largest_turn)):
        if name in schedule.augment and not goes:
            raise InputError(
                where,
                f'the augmentation "{name}" moves images in a way that the targets of {task.name}'
                " cannot go with",
                accepted=f"rotate={task.largest_turn:g} at most" if task.largest_turn else "",
                remedy=f"leave {name} out",
            )
