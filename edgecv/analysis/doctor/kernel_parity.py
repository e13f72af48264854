"""Parity of kernels: the answers must not depend on the kernels that a runtime chooses.

Each combination of file and kernels runs in its own child process: a crash is one failed cell.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from shlex import quote
from typing import get_args

import numpy as np

from edgecv.analysis.doctor.records import Finding, KernelCell, KernelParity
from edgecv.core.data import Images, Outputs
from edgecv.core.errors import RuntimeFailure
from edgecv.core.images import ImageSequence
from edgecv.core.plugins import Task, TaskHead
from edgecv.core.sample import sample_rows
from edgecv.core.text import counted
from edgecv.evaluation.output_differences import aligned
from edgecv.formats.lookup import runtime_of_file
from edgecv.formats.tflite.interpreter import Kernels
from edgecv.pipeline.context import AnalysisContext
from edgecv.pipeline.measure import MeasuredFile
from edgecv.system.isolation import ModelClient

MOST_IMAGES = 200
FIRST_IMAGES = 2
SECONDS = 20.0
"""Time for one cell: reference kernels can be a thousand times slower, and get fewer images."""
LONGEST_SILENCE_S = 60.0
Matrix = tuple[tuple[float | None, ...], ...]
ANOTHER_ANSWER = 0.01
"""Fraction of images with another answer from which kernels are a warning."""


def compare_kernels(
    files: Sequence[MeasuredFile], images: ImageSequence, task: Task, context: AnalysisContext
) -> KernelParity:
    """Run images, uint8 (N, H, W, C), through files of one model under all their kernels.

    A cell has the reason if its kernels cannot run the file. At most ``MOST_IMAGES`` are run.
    """
    # In random order: slow kernels get the first of them only.
    sample = images[sample_rows(len(images), MOST_IMAGES)]
    cells: list[KernelCell] = []
    answers: list[Outputs | None] = []
    for file in files:
        path, runtime = file.path, runtime_of_file(file.path)
        for name, options in runtime.kernel_variants.items():
            context.emit("parity", f"{path} under {name}")
            try:
                with ModelClient(
                    runtime.name,
                    1,
                    time_limit_s=LONGEST_SILENCE_S,
                    log=context.log,
                    options=options,
                ) as worker:
                    found = _predict(worker, file, sample)
            except RuntimeFailure as failure:
                cells.append(KernelCell(str(path), name, 0, failure.reason))
                answers.append(None)
                continue
            cells.append(KernelCell(str(path), name, len(found)))
            answers.append(_named_as(next(filter(None, answers), found), found))

    def agreement(head: TaskHead, one: Outputs, other: Outputs) -> float:
        return float(np.mean(head.task.same_answer(head.of(one), head.of(other))))

    def matrix(measure: Callable[[Outputs, Outputs], float]) -> Matrix:
        return tuple(tuple(_compared(one, other, measure) for other in answers) for one in answers)

    def largest_difference(one: Outputs, other: Outputs) -> float:
        return task.differences(one, other)[1]

    return KernelParity(
        tuple(cells),
        matrix(partial(agreement, TaskHead(task=task))),
        matrix(largest_difference),
        tuple((each.name, matrix(partial(agreement, each))) for each in task.heads() if each.name),
    )


def parity_findings(parity: KernelParity, data: str = "DATA") -> Iterator[Finding]:
    """Find kernels that fail, and kernels whose answers differ from a file's usual kernels.

    ``data``: the images, as they are given to a command.
    Only kernels of the same file are compared: another file is rounded differently.
    """
    usual = {cell.path: number for number, cell in reversed([*enumerate(parity.cells)])}
    for number, cell in enumerate(parity.cells):
        first = usual[cell.path]
        where = f"{cell.path} under {cell.kernels}"
        if cell.failure:
            yield Finding(
                "kernels-fail",
                "warning",
                where,
                cell.failure,
                "do not ship it where these kernels run",
            )
            continue
        same, difference = (
            matrix[first][number] for matrix in (parity.agreement, parity.largest_difference)
        )
        if same is None or difference is None:
            continue
        if 1 - same > ANOTHER_ANSWER:
            yield Finding(
                "kernels-disagree",
                "warning",
                where,
                f"another answer on {1 - same:.1%} of {counted(cell.images, 'image')} than under "
                f"{parity.cells[first].kernels}, outputs differ by up to {difference:.3f}"
                f"{_heads(parity, first, number)}",
                _remedy(cell, data),
            )


def _heads(parity: KernelParity, first: int, number: int) -> str:
    """Name the heads with other answers, the worst first; nothing for a model of one."""
    same = {name: matrix[first][number] for name, matrix in parity.heads}
    others = sorted((value, name) for name, value in same.items() if value is not None)
    texts = [f"{name} {1 - value:.1%}" for value, name in others if value < 1]
    return f"; by output: {', '.join(texts)}" if texts else ""


def _remedy(cell: KernelCell, data: str) -> str:
    """Return how to measure with the kernels of the device."""
    kernels = cell.kernels.lower()
    if kernels not in get_args(Kernels):
        return "measure accuracy on the device itself"
    names = f"{quote(cell.path)} --data {quote(data)}"
    measured = f"edgecv validate {names} --kernels {kernels}"
    return f"measure accuracy with the kernels of the device: {measured}"


def _predict(worker: ModelClient, file: MeasuredFile, images: Images) -> Outputs:
    """Predict as many images as the time allows, at least ``FIRST_IMAGES``."""
    path, input_spec = file.path, file.input_spec
    worker.open(path, input_spec)
    began = time.monotonic()
    first = worker.predict(path, images[:FIRST_IMAGES], input_spec=input_spec)
    seconds = (time.monotonic() - began) / max(1, len(first))
    count = max(FIRST_IMAGES, min(len(images), int(SECONDS / max(seconds, 1e-9))))
    if count == len(first):
        return first
    rest = worker.predict(path, images[len(first) : count], input_spec=input_spec)
    return Outputs.joined([first, rest])


def _named_as(first: Outputs, found: Outputs) -> Outputs:
    """Return outputs of one file under the names of the first one's, where they are comparable."""
    try:
        return aligned(found, first)[0]
    except ValueError:
        return found


def _compared(
    one: Outputs | None,
    other: Outputs | None,
    measure: Callable[[Outputs, Outputs], float],
) -> float | None:
    """Compare the answers of two cells; None if one has none, or has others."""
    if one is None or other is None or _shapes(one) != _shapes(other):
        return None
    count = min(len(one), len(other))
    return measure(one.first(count), other.first(count))


def _shapes(outputs: Outputs) -> list[tuple[int, ...]]:
    return [each.shape[1:] for each in outputs.arrays.values()]
