"""The Python face: the same as the commands, for scripts and tests."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgecv.acceptance import options as acceptance
from edgecv.acceptance.options import GateOptions
from edgecv.acceptance.records import Judgement
from edgecv.analysis import options as analysis
from edgecv.analysis.options import ValidateOptions
from edgecv.core.options import parse_options, with_parameters
from edgecv.core.records import Event, Report
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.reports.json_file import read_report
from edgecv.system.storage import Store, check_seal

OnEvent = Callable[[Event], None]


@with_parameters(CompressOptions)
def compress(
    model: str | Path | None = None, *, on_event: OnEvent = lambda event: None, **options: Any
) -> Report:
    """Compress a model and prove what it cost: ``edgecv compress``.

    What is not given is as on the command line: int8, TFLite and ONNX, CIFAR-10. Raises InputError
    where something given is wrong, StepError where a step fails. A gate that fails is not an
    error: see ``report.outcome``.
    """
    from edgecv.pipeline import run as pipeline

    asked = parse_options(CompressOptions, {"model": model, **options}, "compress")
    store = Store(Path(asked.output))
    return pipeline.run(asked.to_recipe(), store, force=asked.force, on_event=on_event)


@with_parameters(ValidateOptions)
def validate(
    paths: str | Path | Sequence[str | Path],
    *,
    on_event: OnEvent = lambda event: None,
    **options: Any,
) -> Report:
    """Measure run folders and files again: ``edgecv validate``."""
    asked = parse_options(ValidateOptions, {"paths": paths, **options}, "validate")
    return analysis.validate(asked, on_event=on_event)


@with_parameters(GateOptions)
def gate(run: str | Path, *, on_event: OnEvent = lambda event: None, **options: Any) -> Judgement:
    """Measure a run again and hold it against the accepted one: ``edgecv gate``."""
    asked = parse_options(GateOptions, {"run": run, **options}, "gate")
    names = {name: name for name in GateOptions.model_fields}
    return acceptance.gate(asked, names, on_event=on_event)


def load_report(path: str | Path) -> Report:
    """Read the report of a run: its folder, or its ``report.json`` alone.

    Raises InputError where a file of the folder is not the one that the run wrote.
    """
    if Path(path).is_dir():
        check_seal(Path(path))
    return read_report(Path(path))
