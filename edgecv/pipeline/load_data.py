"""The data of a run or a validation: loaded, split, and described for the report."""

from edgecv.core.errors import InputError
from edgecv.core.plugins import DatasetSource
from edgecv.core.records import SPLITS, DataFacts, Dataset, Shape, SplitFacts
from edgecv.core.text import printable
from edgecv.pipeline.context import AnalysisContext


def load_data(source: DatasetSource, shape: Shape, context: AnalysisContext) -> Dataset:
    """Load and split a data set for images of ``shape``.

    Raises InputError if there are no test images.
    """
    context.emit("data", "reading the data")

    def progress(done: int, total: int) -> None:
        context.emit("data", "reading images", done, total)

    data = source.load(shape, context.seed, progress)
    counts = ", ".join(f"{name} {len(data.split(name)):,}" for name in SPLITS)
    context.emit("data", f"{data.name}: {counts}")
    for note in data.notes:
        context.emit("note", note)
    if not len(data.test):
        raise InputError(data.name, "has no test images", remedy="put some under test/")
    return data


def data_facts(data: Dataset) -> DataFacts:
    """Return the facts on the data for the report."""
    splits = {name: SplitFacts(len(data.split(name)), data.split(name).sha256) for name in SPLITS}
    return DataFacts(printable(data.name), data.class_names, splits, data.notes, data.has_labels)
