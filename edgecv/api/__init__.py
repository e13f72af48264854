"""The package in Python: the commands as functions that return plain records.

Each function takes what its command takes, under the same names. Where a command takes the path of
a model or of data, a function also takes a Keras model and arrays in memory. In a notebook
progress is shown; in a script only with ``progress=True``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from edgecv.acceptance.records import Judgement
from edgecv.analysis.bench import BenchOptions, BenchResult
from edgecv.analysis.doctor.records import Diagnosis
from edgecv.api import display as display
from edgecv.api.call import Data, Model, OnEvent, as_data, call
from edgecv.api.models import GivenModel, is_keras_model
from edgecv.core.input_spec import input_spec_of
from edgecv.core.options import Options, parse_flags
from edgecv.core.records import Report
from edgecv.evaluation.limits import Limits
from edgecv.formats.contents import Inspection
from edgecv.pipeline.baseline import Training
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.limit_flags import LimitOptions
from edgecv.reports.json_file import read_report
from edgecv.system.storage import Store, check_seal

O = TypeVar("O", bound=Options)  # noqa: E741


def train(
    data: Data | None = None,
    *,
    architecture: str | None = None,
    schedule: str | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    recipe: str | Path | None = None,
    skip_bad_images: bool = False,
    output: str | Path = "exported",
    progress: bool | None = None,
    on_event: OnEvent | None = None,
) -> Training:
    """Train a baseline and keep it in ``output``; a stored one is returned as it is.

    Raises InputError where a parameter is wrong, before anything is written.

        trained = edgecv.train((x_train, y_train, x_test, y_test), epochs=10)
        trained.folder / "model.keras"
    """
    from edgecv.pipeline import run as pipeline
    from edgecv.pipeline.baseline import read_training

    given = locals()
    with call(progress, on_event) as this:
        plan = _options(CompressOptions, {**given, "data": as_data(data)}).to_recipe()
        return read_training(pipeline.train(plan, Store.at(str(output)), this.on_event))


def compress(
    model: Model | None = None,
    *,
    preprocess: str | None = None,
    labels: str | Path | None = None,
    io: str | None = None,
    trust_model: bool = False,
    custom_objects: str | Sequence[str] = (),
    quantize: str | None = None,
    shrink: float | str | None = None,
    distil: bool = False,
    prune: float | str | None = None,
    cluster: int | None = None,
    qat: bool = False,
    formats: str | Sequence[str] = (),
    data: Data | None = None,
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
    progress: bool | None = None,
    on_event: OnEvent | None = None,
) -> Report:
    """Compress a model and prove what each file cost against it.

    What is not given is as on the command line: int8, TFLite and ONNX, CIFAR-10. The files lie in
    the folder ``output/name``. Raises InputError where a parameter is wrong, StepError where a step
    fails. A limit that does not hold is no error: see ``report.outcome``.

        report = edgecv.compress(model, data=(x_train, y_train, x_test, y_test), max_drop=1)
        report.outcome, [each.artifact.path for each in report.comparisons]
    """
    from edgecv.pipeline import run as pipeline

    given = locals()
    with call(progress, on_event, MODEL="model") as this:
        store = Store.at(str(output))
        in_memory = GivenModel(model, "model=") if is_keras_model(model) else None
        path = model if in_memory is None else in_memory.path_in(store)
        plan = _options(
            CompressOptions, {**given, "model": path, "data": as_data(data)}
        ).to_recipe()
        if in_memory is not None:
            in_memory.keep(store)
        return pipeline.run(plan, store, force=force, on_event=this.on_event)


def validate(
    paths: str | Path | Sequence[str | Path],
    *,
    data: Data | None = None,
    baseline: Model | None = None,
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
    custom_objects: str | Sequence[str] = (),
    progress: bool | None = None,
    on_event: OnEvent | None = None,
) -> Report:
    """Measure a run folder or single files again, on the test images of ``data``.

    A run folder knows its own data and baseline. Raises InputError where a parameter is wrong,
    RuntimeFailure where no file can be opened.

        report = edgecv.validate("int8.tflite", data=(x_test, y_test), baseline=model)
    """
    from edgecv.analysis.validate import validate_paths

    given = locals()
    with call(progress, on_event, PATH="paths") as this:
        report = validate_paths(
            _paths(paths),
            data=as_data(data),
            baseline=None if baseline is None else this.model_file(baseline, "baseline="),
            labels=_path(labels),
            threads=threads,
            limits=_options(LimitOptions, given).changed(Limits()),
            skip_bad_images=skip_bad_images,
            input_spec=input_spec_of(preprocess, layout, input_size),
            trust_model=trust_model,
            custom_objects=_several(custom_objects),
            on_event=this.on_event,
        )
    if report.baseline is None or not is_keras_model(baseline):
        return report
    # Its file is gone with this call: the name of the model says more.
    return replace(report, baseline=replace(report.baseline, path=Path(report.baseline.path).name))


def gate(
    run: str | Path,
    *,
    against: str | Path = "edgecv.lock",
    update: bool = False,
    data: Data | None = None,
    threads: int | None = None,
    junit: str | Path | None = None,
    markdown: str | Path | None = None,
    skip_bad_images: bool = False,
    trust_model: bool = False,
    custom_objects: str | Sequence[str] = (),
    progress: bool | None = None,
    on_event: OnEvent | None = None,
) -> Judgement:
    """Measure a run again and compare it with the accepted one.

    ``update=True`` accepts this run. Raises InputError where a parameter, the run or the file of
    the accepted run is wrong; a run that is worse is no error: see ``outcome``.

        edgecv.gate("exported/cnn", update=True)
        edgecv.gate("exported/cnn").outcome
    """
    from edgecv.acceptance.gate import gate_run
    from edgecv.acceptance.outputs import check_files, write_outputs

    folder, lock, cases, comment = Path(run), Path(against), _path(junit), _path(markdown)
    with call(progress, on_event) as this:
        check_files(folder, {"--against": lock, "--junit": cases, "--markdown": comment})
        judgement = gate_run(
            folder,
            against=lock,
            update=update,
            data=as_data(data),
            threads=threads,
            skip_bad_images=skip_bad_images,
            trust_model=trust_model,
            custom_objects=_several(custom_objects),
            on_event=this.on_event,
        )
        write_outputs(judgement, junit=cases, markdown=comment)
        return judgement


def bench(
    paths: str | Path | Sequence[str | Path],
    *,
    threads: int = 1,
    batch: int = 1,
    budget: float = 10.0,
    progress: bool | None = None,
    on_event: OnEvent | None = None,
) -> BenchResult:
    """Time .tflite and .onnx files in turn, and compare each with the first.

    ``budget``: seconds for all of them. Raises InputError where a parameter is wrong,
    RuntimeFailure where no file can be timed; a file that cannot be is in ``failures``.

        result = edgecv.bench(["float32.tflite", "int8.tflite"])
        [(each.path, each.latency.median_us, each.verdict) for each in result.timings]
    """
    from edgecv.analysis.bench import bench_files

    given = {**locals(), "budget": float(budget)}
    with call(progress, on_event, FILE="paths") as this:
        return bench_files(_paths(paths), _options(BenchOptions, given), on_event=this.on_event)


def doctor(
    path: str | Path,
    *,
    data: Data | None = None,
    baseline: Model | None = None,
    beside: str | Path | None = None,
    kernels: str = "xnnpack",
    fix: str | Path | None = None,
    progress: bool | None = None,
    on_event: OnEvent | None = None,
) -> Diagnosis:
    """Say why a .tflite or .onnx file is slow and why it is wrong, worst first.

    ``fix``: the path of a recipe to write the remedy to; it is run, and the result says whether it
    helps. Raises InputError where a parameter is wrong, RuntimeFailure where no runtime runs it.

        found = edgecv.doctor("int8.tflite", data=(x_test, y_test), baseline=model)
        [(each.severity, each.observed, each.remedy) for each in found.findings]
    """
    from edgecv.analysis.doctor.diagnose import DoctorRequest, diagnose
    from edgecv.analysis.doctor.fix import with_fix

    with call(progress, on_event) as this:
        original = None if baseline is None else this.model_file(baseline, "baseline=")
        request = DoctorRequest(Path(path), original, as_data(data), _path(beside), kernels)
        found = diagnose(request, on_event=this.on_event)
        return found if fix is None else with_fix(request, found, Path(fix), this.on_event)


def inspect(model: Model) -> Inspection:
    """Read what is in a model: inputs, operators, costs, memory, what is quantized.

    ``model``: the path of a .keras, .h5, .tflite or .onnx file of any maker, or a Keras model.
    Raises InputError where it is not a model, or is damaged.

        found = edgecv.inspect("int8.tflite")
        found.bytes, found.contents.macs, found.contents.inputs
    """
    from edgecv.analysis.inspection.read_file import inspect as read

    with call() as this:
        path = this.model_file(model, "model=")
        found = read(path)
    return replace(found, path=path.name) if is_keras_model(model) else found


def load_report(path: str | Path) -> Report:
    """Read the report of a run: its folder, or its ``report.json`` alone.

    Raises InputError where a file of the folder is not the one that the run wrote.
    """
    if Path(path).is_dir():
        check_seal(Path(path))
    return read_report(Path(path))


FUNCTIONS: tuple[Callable[..., Any], ...] = (
    train, compress, validate, gate, bench, doctor, inspect
)  # fmt: skip
"""The functions that are commands too."""


def _options(cls: type[O], given: Mapping[str, Any]) -> O:
    """Make options of the parameters that they have a field for."""
    fields = cls.model_fields
    values = {
        name: _plain(given[name], fields[name].annotation) for name in fields if name in given
    }
    return parse_flags(cls, values)


def _plain(value: Any, kind: Any) -> Any:
    if kind == tuple[str, ...]:
        return _several(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if isinstance(value, Path) or (is_number and kind == str | None) else value


def _several(texts: str | Sequence[str]) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else tuple(texts)


def _path(value: str | Path | None) -> Path | None:
    return None if value is None else Path(value)


def _paths(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    return [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
