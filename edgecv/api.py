"""The Python face: the same as the commands, for scripts and tests."""

from collections.abc import Callable, Sequence
from pathlib import Path

from edgecv.acceptance.records import Judgement
from edgecv.core.input_spec import input_spec_of
from edgecv.core.options import parse_options
from edgecv.core.records import Event, Report
from edgecv.evaluation.limits import Limits
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.limit_flags import LimitOptions
from edgecv.reports.json_file import read_report
from edgecv.system.storage import Store, check_seal


def compress(
    model: str | Path | None = None,
    *,
    preprocess: str | None = None,
    labels: str | Path | None = None,
    io: str | None = None,
    trust_model: bool = False,
    custom_objects: Sequence[str] = (),
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
    drop_on: str | None = None,
    min_agreement: float | str | None = None,
    max_flips: int | float | str | None = None,
    max_class_drop: float | None = None,
    max_size: str | None = None,
    max_gzip: str | None = None,
    min_speedup: float | str | None = None,
    max_latency: str | None = None,
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
    from edgecv.pipeline import run as pipeline

    flags = parse_options(
        CompressOptions,
        {
            "model": _text(model),
            "recipe": _text(recipe),
            "preprocess": preprocess,
            "labels": _text(labels),
            "io": io,
            "trust_model": trust_model,
            "custom_objects": tuple(custom_objects),
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
            "drop_on": drop_on,
            "min_agreement": _text(min_agreement),
            "max_flips": _text(max_flips),
            "max_class_drop": max_class_drop,
            "max_size": max_size,
            "max_gzip": max_gzip,
            "min_speedup": _text(min_speedup),
            "max_latency": max_latency,
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
    preprocess: str | None = None,
    layout: str | None = None,
    input_size: str | None = None,
    labels: str | Path | None = None,
    threads: int = 1,
    max_drop: float | None = None,
    drop_on: str | None = None,
    min_agreement: float | str | None = None,
    max_flips: int | float | str | None = None,
    max_class_drop: float | None = None,
    max_size: str | None = None,
    max_gzip: str | None = None,
    min_speedup: float | str | None = None,
    max_latency: str | None = None,
    skip_bad_images: bool = False,
    trust_model: bool = False,
    custom_objects: Sequence[str] = (),
    on_event: Callable[[Event], None] = lambda event: None,
) -> Report:
    """Measure run folders and files again: ``edgecv validate``."""
    from edgecv.analysis.validate import validate_paths

    limits = parse_options(
        LimitOptions,
        {
            "max_drop": max_drop,
            "drop_on": drop_on,
            "min_agreement": _text(min_agreement),
            "max_flips": _text(max_flips),
            "max_class_drop": max_class_drop,
            "max_size": max_size,
            "max_gzip": max_gzip,
            "min_speedup": _text(min_speedup),
            "max_latency": max_latency,
        },
        "validate",
    )
    several = [paths] if isinstance(paths, str | Path) else paths
    return validate_paths(
        [Path(path) for path in several],
        data=_text(data),
        baseline=None if baseline is None else Path(baseline),
        labels=None if labels is None else Path(labels),
        threads=threads,
        limits=limits.changed(Limits()),
        skip_bad_images=skip_bad_images,
        input_spec=input_spec_of(preprocess, layout, input_size),
        trust_model=trust_model,
        custom_objects=tuple(custom_objects),
        on_event=on_event,
    )


def gate(
    run: str | Path,
    *,
    against: str | Path = "edgecv.lock",
    update: bool = False,
    data: str | Path | None = None,
    threads: int | None = None,
    junit: str | Path | None = None,
    markdown: str | Path | None = None,
    skip_bad_images: bool = False,
    trust_model: bool = False,
    custom_objects: Sequence[str] = (),
    on_event: Callable[[Event], None] = lambda event: None,
) -> Judgement:
    """Measure a run again and hold it against the accepted one: ``edgecv gate``."""
    from edgecv.acceptance.gate import gate_run
    from edgecv.acceptance.outputs import check_files, write_outputs

    lock = Path(against)
    cases = None if junit is None else Path(junit)
    comment = None if markdown is None else Path(markdown)
    check_files(Path(run), {"against": lock, "junit": cases, "markdown": comment})
    judgement = gate_run(
        Path(run),
        against=lock,
        update=update,
        data=_text(data),
        threads=threads,
        skip_bad_images=skip_bad_images,
        trust_model=trust_model,
        custom_objects=tuple(custom_objects),
        on_event=on_event,
    )
    write_outputs(judgement, junit=cases, markdown=comment)
    return judgement


def load_report(path: str | Path) -> Report:
    """Read the report of a run: its folder, or its ``report.json`` alone.

    Raises InputError where a file of the folder is not the one that the run wrote.
    """
    if Path(path).is_dir():
        check_seal(Path(path))
    return read_report(Path(path))


def _text(value: str | float | Path | None) -> str | None:
    return None if value is None else str(value)
