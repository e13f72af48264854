"""The data of a run or a validation: loaded, split, and described for the report."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgecv.core.data import SPLITS, Dataset, Shape
from edgecv.core.errors import InputError
from edgecv.core.plugins import DatasetSource, Task
from edgecv.core.report import DataFacts, SplitFacts
from edgecv.core.targets import class_of_each, kinds_of
from edgecv.core.text import printable
from edgecv.datasets.decoded import PERHAPS_TRAINED_ON
from edgecv.datasets.semi_supervised import FurtherImages, read_further
from edgecv.pipeline.context import AnalysisContext
from edgecv.pipeline.recipe.recipe import Recipe

MOST_CLASSES = 20
UNBALANCED = 3
"""Test images of the largest class for one of the smallest, from which on it is said."""


def load_data(
    source: DatasetSource, shape: Shape, context: AnalysisContext, *, for_brought: bool = False
) -> Dataset:
    """Load and split a data set for images of ``shape``.

    ``for_brought`` model files: what they were trained on is not known, which is said where the
    test images are no split of their own. Raises InputError if there are no test images.
    """
    context.emit("data", "reading the data")

    def progress(done: int, total: int) -> None:
        context.emit("data", "reading images", done, total)

    data = source.load(shape, context.seed, progress)
    if context.judged_on == "validation":
        if not len(data.validation):
            raise InputError(
                data.name,
                "has no validation images to judge on",
                remedy="put images under train/: some of them are taken",
            )
        data = replace(data, test=data.validation)
    counts = ", ".join(f"{name} {len(data.split(name)):,}" for name in SPLITS)
    context.emit("data", f"{data.name}: {counts}")
    if data.has_labels:
        if counted := class_counts(data):
            context.emit("data", f"test images a class: {counts_text(counted)}")
        if note := imbalance(counted):
            data = replace(data, notes=(*data.notes, note))
    if for_brought and data.has_drawn_test:
        data = replace(data, notes=(*data.notes, PERHAPS_TRAINED_ON))
    for note in data.notes:
        context.emit("note", note)
    if not len(data.test):
        raise InputError(data.name, "has no test images", remedy="put some under test/")
    return data


def further_images(recipe: Recipe, data: Dataset, context: AnalysisContext) -> FurtherImages | None:
    """Return the images without labels of a recipe; None where it names none.

    Raises InputError where they cannot be used.
    """
    path = recipe.settings.unlabelled
    if path is None:
        return None

    def progress(done: int, total: int) -> None:
        context.emit("data", "reading images without labels", done, total)

    return read_further(
        path,
        data,
        progress,
        resize=getattr(recipe.data, "resize", None) or "stretch",
        skip_bad_images=getattr(recipe.data, "skip_bad_images", False),
    )


def class_counts(data: Dataset, split: str = "test") -> dict[str, int]:
    """Return the images of each class, the most first; empty where labels are no classes."""
    counts = np.array(counts_by_label(data, split), np.int64)
    order = np.argsort(-counts, kind="stable")
    return {data.class_names[place]: int(counts[place]) for place in order}


def counts_by_label(data: Dataset, split: str) -> tuple[int, ...]:
    """Return the images of each class in their order; empty where labels are no classes."""
    labels = data.split(split).labels
    is_number = labels.dtype.names is None and (labels.ndim > 1 or labels.dtype.kind == "f")
    if is_number or "class" not in kinds_of(labels) or not data.class_names:
        return ()
    return tuple(np.bincount(class_of_each(labels), minlength=len(data.class_names)).tolist())


def counts_text(counts: Mapping[str, int]) -> str:
    """Return the counts of the first and the last classes.

    >>> counts_text({"cat": 20, "dog": 5})
    'cat 20, dog 5'
    """
    texts = [f"{name} {count:,}" for name, count in counts.items()]
    if len(texts) <= MOST_CLASSES:
        return ", ".join(texts)
    half = MOST_CLASSES // 2
    return f"{', '.join(texts[:half])} ... {', '.join(texts[-half:])}"


def imbalance(counts: Mapping[str, int], split: str = "test") -> str:
    """Return a note where some classes have many times the images of others; else nothing.

    >>> imbalance({"cat": 20, "dog": 15})
    ''
    """
    found = {name: count for name, count in counts.items() if count}
    if not found or max(found.values()) < UNBALANCED * min(found.values()):
        return ""
    most, least = max(found, key=found.__getitem__), min(found, key=found.__getitem__)
    return (
        f"the classes are unbalanced: {found[most]:,} {split} images of {most}, {found[least]:,} of"
        f" {least}; accuracy says most about the large ones, the table of the classes about each"
    )


def data_facts(data: Dataset, task: Task) -> DataFacts:
    """Return the facts on the data for the report."""
    splits = {name: SplitFacts(len(data.split(name)), data.split(name).sha256) for name in SPLITS}
    classes = {head.name: head.data(data).class_names for head in task.heads() if head.output}
    name, known = printable(data.name), data.has_labels
    counts = {split: counts_by_label(data, split) for split in SPLITS} if known else {}
    counts = {split: found for split, found in counts.items() if found}
    return DataFacts(name, data.class_names, splits, data.notes, known, classes, counts)
