"""The Python face: the same as the commands, for scripts and tests."""

from collections.abc import Callable, Sequence
from pathlib import Path

from edgecv.flags import Flags
from edgecv.records import Event, Report
from edgecv.registry import parse_options
from edgecv.reports.json_file import read_report
from edgecv.store import Store, check_seal


def compress(
    model: str | Path | None = None,
    *,
    preprocess: str | None = None,
    quantize: str | None = None,
    shrink: float | str | None = None,
    distil: bool = False,
    prune: float | str | None = None,
    cluster: int | None = None,
    qat: bool = False,
    formats: str | Sequence[str] = (),
    data: str | Path | None = None,
    architecture: str | None = None,
    schedule: str | None = None,
    epochs: int | None = None,
    recipe: str | Path | None = None,
    name: str | None = None,
    max_drop: float | None = None,
    calibration_images: int | None = None,
    seed: int | None = None,
    threads: int | None = None,
    skip_bad_images: bool = False,
    output: str | Path = "exported",
    force: bool = False,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Report:
    """Compress a model and prove what it cost: ``edgecv compress``.

    What is not given is as on the command line: int8, TFLite and ONNX, CIFAR-10. Raises InputError
    where something given is wrong, StepError where a step fails. A gate that fails is not an
    error: see ``report.outcome``.
    """
    from edgecv import pipeline

    flags = parse_options(
        Flags,
        {
            "model": _text(model),
            "recipe": _text(recipe),
            "preprocess": preprocess,
            "quantize": quantize,
            "shrink": None if shrink is None else str(shrink),
            "distil": distil,
            "prune": None if prune is None else str(prune),
            "cluster": cluster,
            "qat": qat,
            "formats": (formats,) if isinstance(formats, str) else tuple(formats),
            "data": _text(data),
            "architecture": architecture,
            "schedule": schedule,
            "epochs": epochs,
            "name": name,
            "max_drop": max_drop,
            "calibration_images": calibration_images,
            "seed": seed,
            "threads": threads,
            "skip_bad_images": skip_bad_images,
        },
        "compress",
    )
    return pipeline.run(flags.to_recipe(), Store(Path(output)), force=force, on_event=on_event)


def validate(
    paths: str | Path | Sequence[str | Path],
    *,
    data: str | Path | None = None,
    baseline: str | Path | None = None,
    threads: int = 1,
    max_drop: float | None = None,
    skip_bad_images: bool = False,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Report:
    """Measure run folders and files again: ``edgecv validate``."""
    from edgecv.validation import validate_paths

    several = [paths] if isinstance(paths, str | Path) else paths
    return validate_paths(
        [Path(path) for path in several],
        data=_text(data),
        baseline=None if baseline is None else Path(baseline),
        threads=threads,
        max_drop=max_drop,
        skip_bad_images=skip_bad_images,
        on_event=on_event,
    )


def load_report(path: str | Path) -> Report:
    """Read the report of a run: its folder, or its ``report.json`` alone.

    Raises InputError where a file of the folder is not the one that the run wrote.
    """
    if Path(path).is_dir():
        check_seal(Path(path))
    return read_report(Path(path))


def _text(value: str | Path | None) -> str | None:
    return None if value is None else str(value)
