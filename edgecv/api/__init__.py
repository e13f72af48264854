"""The Python API: the commands as functions that return plain records.

Each function takes the options of its command as parameters. Where a command takes the path of a
model or of data, a function also takes a Keras model and arrays in memory. Progress is shown in a
notebook, and in a script with ``progress=True``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgecv.acceptance import options as acceptance
from edgecv.acceptance.options import GateOptions
from edgecv.acceptance.records import Judgement
from edgecv.analysis import options as analysis
from edgecv.analysis.bench import BenchResult
from edgecv.analysis.doctor.records import Diagnosis
from edgecv.analysis.options import (
    BenchOptions,
    DeployOptions,
    DoctorOptions,
    InspectOptions,
    ValidateOptions,
)
from edgecv.api import display as display
from edgecv.api.call import (
    Data,
    FunctionCall,
    Model,
    as_data,
    call,
    is_in_memory,
    options_of,
    store_of,
    stored_data,
    stored_images,
    unwritten,
)
from edgecv.api.function import api_function, parameters_of
from edgecv.api.models import is_keras_model
from edgecv.core.report import Report
from edgecv.formats.contents import Inspection
from edgecv.pipeline.recipe.from_flags import CompressOptions, TrainOptions
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.search.front import SearchResult
from edgecv.pipeline.search.options import SearchOptions
from edgecv.pipeline.stored_training import Training
from edgecv.reports.json_file import read_report
from edgecv.system.storage import check_seal


@api_function(TrainOptions)
def train(
    this: FunctionCall,
    /,
    data: Data | None = None,
    *,
    from_model: Model | None = None,
    **options: Any,
) -> Training:
    """Train a baseline and keep it in the folder ``output``; a stored one is not trained again.

    Raises InputError where a parameter is wrong, StepError where the training fails.

    Example: ``edgecv.train((x_train, y_train, x_test, y_test), epochs=10).folder``

    Args:
        data: The name or path of a data set, or arrays: (x_train, y_train, x_test, y_test) or a
            dict of these names with class_names where they are known. Images: uint8 (N, height,
            width, channels), 0..255; labels: integers (N,).
        from_model: A trained model that the training starts from, of Keras 3 or tf-keras, or the
            path of a .keras or .h5 file: its last layers are replaced by those of the task, the
            others are frozen first, then trained slowly.
    """
    from edgecv.pipeline import run as pipeline

    store = store_of(options)
    models, keep = this.stored_models({"from_model": from_model}, store)
    recipe = this.options(TrainOptions, {**options, **models}, data).to_recipe()
    keep()
    return pipeline.train(recipe, store, this.on_event)


@api_function(CompressOptions)
def compress(
    this: FunctionCall,
    /,
    model: Model | None = None,
    *,
    data: Data | None = None,
    from_model: Model | None = None,
    teacher: Model | None = None,
    **options: Any,
) -> Report:
    """Compress a model, and compare each file with the original.

    The defaults are those of the command line: int8, TFLite and ONNX, CIFAR-10. The files are
    written to the folder ``output/name``.

    Raises InputError where a parameter is wrong, StepError where a step fails. A limit that does
    not hold is no error: see ``report.outcome``.

    Example: ``edgecv.compress(model, data=(x_train, y_train, x_test, y_test), max_drop=1)``

    Args:
        model: A model of Keras 3 or tf-keras, or the path of a .keras, .h5 or .onnx file or of
            a SavedModel folder; without it a baseline is trained.
        data: The name or path of a data set, or arrays: (x_train, y_train, x_test, y_test) or
            (x_test, y_test), or a dict of these names with class_names where they are known.
            Images: uint8 (N, height, width, channels), 0..255; labels: integers (N,).
        from_model: The start of a baseline's training, as for train.
        teacher: A better model of the same classes and images, a path or a Keras model: techniques
            that distil learn from it in place of the original.
    """
    from edgecv.pipeline import run as pipeline
    from edgecv.pipeline.search.auto import compress_auto, first_recipe

    store = store_of(options)
    given = {"model": model, "from_model": from_model, "teacher": teacher}
    models, keep = this.stored_models(given, store)
    unlabelled, source = options.get("unlabelled"), as_data(data)

    def read(files: Mapping[str, Any]) -> tuple[CompressOptions, Recipe]:
        asked = this.options(CompressOptions, {**options, **models, **files}, source)
        return asked, first_recipe(asked) if asked.auto else asked.to_recipe()

    if any(map(is_in_memory, (*given.values(), unlabelled))):
        read({"teacher": unwritten(teacher), "unlabelled": unwritten(unlabelled)})
    images = stored_images(unlabelled, store)
    keep()
    asked, plan = read({"unlabelled": images})
    if asked.auto:
        return compress_auto(asked, this.on_event)
    return pipeline.run(plan, store, force=asked.force, on_event=this.on_event)


@api_function(SearchOptions)
def search(
    this: FunctionCall,
    /,
    model: Model | None = None,
    *,
    data: Data | None = None,
    from_model: Model | None = None,
    teacher: Model | None = None,
    **options: Any,
) -> SearchResult:
    """Search the recipes that hold limits within a budget, and prove the best on test images.

    Each point of ``front`` is a run of its own; a search that was stopped goes on.

    Raises InputError where a parameter is wrong or a limit cannot hold, StepError where trials keep
    failing.

    Example: ``edgecv.search("model.keras", data="photos", max_drop=1, trials=40).front``

    Args:
        model: As for compress.
        data: As for compress; arrays are written to the folder ``output``, for the processes of
            the trials.
        from_model: As for train.
        teacher: As for compress.
    """
    from edgecv.acceptance.accept_front import accept_front
    from edgecv.pipeline.search.search import search as search_recipes

    store = store_of(options)
    given = {"model": model, "from_model": from_model, "teacher": teacher}
    models, keep = this.stored_models(given, store)
    source = as_data(data)
    if any(map(is_in_memory, (*given.values(), data))):
        unkept = {**models, "teacher": unwritten(teacher), "data": source}
        options_of(SearchOptions, {**options, **unkept}).to_recipe()
    stored = stored_data(data, source, store)
    keep()
    asked = options_of(SearchOptions, {**options, **models, "data": stored})
    result = search_recipes(asked, this.on_event)
    accept_front(result, asked, this.on_event)
    return result


@api_function(ValidateOptions, PATH="paths")
def validate(
    this: FunctionCall,
    /,
    paths: str | Path | Sequence[str | Path],
    *,
    data: Data | None = None,
    baseline: Model | None = None,
    **options: Any,
) -> Report:
    """Measure a run folder or single files again, on the test images of ``data``.

    Raises InputError where a parameter is wrong, RuntimeFailure where no file can be opened.

    Example: ``edgecv.validate("int8.tflite", data=(x_test, y_test), baseline=model)``

    Args:
        paths: A run folder, or .tflite, .onnx, .keras, .h5 files; one or several.
        data: As for compress; (x_test, y_test) is enough, and a run folder knows its own.
        baseline: The original to compare with, a path or a Keras model; a run folder has its
            own.
    """
    asked = this.options(ValidateOptions, {"paths": paths, **options}, data, baseline)
    report = analysis.validate(asked, on_event=this.on_event)
    if report.baseline is None or not is_keras_model(baseline):
        return report
    # Its file is temporary: the name of the model is more useful.
    return replace(report, baseline=replace(report.baseline, path=Path(report.baseline.path).name))


@api_function(GateOptions)
def gate(
    this: FunctionCall,
    /,
    run: str | Path,
    *,
    data: Data | None = None,
    **options: Any,
) -> Judgement:
    """Measure a run again and compare it with the accepted one.

    Raises InputError where a parameter, the run or the file of the accepted run is wrong. A run
    that is worse is no error: see ``outcome``.

    Example: ``edgecv.gate("exported/cnn", update=True)``, later ``edgecv.gate("exported/cnn")``

    Args:
        run: A run folder.
        data: As for compress; (x_test, y_test) is enough, and a run folder knows its own.
    """
    asked = this.options(GateOptions, {"run": run, **options}, data)
    names = {name: f"{name}=" for name in GateOptions.model_fields}
    return acceptance.gate(asked, names, on_event=this.on_event)


@api_function(BenchOptions, FILE="paths")
def bench(
    this: FunctionCall,
    /,
    paths: str | Path | Sequence[str | Path],
    **options: Any,
) -> BenchResult:
    """Time .tflite and .onnx files in turn, and compare each with the first.

    Raises InputError where a parameter is wrong, RuntimeFailure where no file can be timed; a file
    that cannot be is in ``failures``.

    Example: ``edgecv.bench(["float32.tflite", "int8.tflite"]).timings``

    Args:
        paths: The files; one or several.
    """
    from edgecv.analysis.bench import bench_files

    files = [Path(each) for each in ([paths] if isinstance(paths, str | Path) else paths)]
    return bench_files(files, options_of(BenchOptions, options), on_event=this.on_event)


@api_function(DeployOptions)
def deploy(
    this: FunctionCall,
    /,
    paths: str | Path | Sequence[str | Path],
    *,
    data: Data | None = None,
    baseline: Model | None = None,
    **options: Any,
) -> Report:
    """Check a file, build what a target needs, run it there, and compare its answers.

    Raises InputError where a parameter is wrong or the file cannot run there, StepError where the
    device gives no usable answer. A device that is worse is no error: see ``outcome``.

    Example: ``edgecv.deploy("exported/cnn", to="bundle").deployment.same_answers``

    Args:
        paths: A run folder, or a .tflite or .onnx file.
        data: As for compress; (x_test, y_test) is enough, and a run folder knows its own.
        baseline: The original to compare a single file with, a path or a Keras model.
    """
    asked = this.options(DeployOptions, {"paths": paths, **options}, data, baseline)
    return analysis.deploy(asked, on_event=this.on_event)


@api_function(DoctorOptions)
def doctor(
    this: FunctionCall,
    /,
    path: str | Path,
    *,
    data: Data | None = None,
    baseline: Model | None = None,
    **options: Any,
) -> Diagnosis:
    """Find the causes of a slow or inaccurate .tflite or .onnx file, worst first, with remedies.

    Raises InputError where a parameter is wrong, RuntimeFailure where no runtime runs the file.

    Example: ``edgecv.doctor("int8.tflite", data=(x_test, y_test), baseline=model).findings``

    Args:
        path: The file, of any maker.
        data: Images to compare kernels and layers on, as for compress; (x_test, y_test) is
            enough.
        baseline: The model that the file was made from, a path or a Keras model.
    """
    asked = this.options(DoctorOptions, {"path": path, **options}, data, baseline)
    return analysis.doctor(asked, on_event=this.on_event)


@parameters_of(InspectOptions)
def inspect(model: Model, **options: Any) -> Inspection:
    """Read the contents of a model: inputs, operators, costs, memory, quantization.

    Raises InputError where it is not a model, or is damaged, or a parameter does not fit it.

    Example: ``edgecv.inspect("int8.tflite").contents.macs``

    Args:
        model: The path of a .keras, .h5, .tflite or .onnx file of any maker, or a Keras model.
    """
    from edgecv.analysis.inspection.read_file import inspect as read

    with call() as this:
        path = this.model_file(model, "model=")
        found = read(path, options_of(InspectOptions, options).input_spec)
    return replace(found, path=path.name) if is_keras_model(model) else found


def load_report(path: str | Path) -> Report:
    """Read the report of a run: its folder, or its ``report.json`` alone.

    Raises InputError where a file of the folder is not the one that the run wrote.
    """
    if Path(path).is_dir():
        check_seal(Path(path))
    return read_report(Path(path))


FUNCTIONS: tuple[Callable[..., Any], ...] = (
    train, compress, search, deploy, validate, gate, bench, doctor, inspect
)  # fmt: skip
"""The functions that are commands too."""
