"""``edgecv compress``."""

from typing import TYPE_CHECKING, Annotated

import typer

from edgecv.cli.options import (
    Architecture,
    AsJson,
    CustomObjects,
    DataOfRun,
    DropOn,
    DryRun,
    Epochs,
    Force,
    Labels,
    MaxClassDrop,
    MaxDrop,
    MaxFlips,
    MaxGzip,
    MaxLatency,
    MaxSize,
    MinAgreement,
    MinSpeedup,
    Output,
    ScheduleName,
    Seed,
    SkipBadImages,
    Threads,
    TrustModel,
)
from edgecv.cli.run_command import on_screen, recipe_of

if TYPE_CHECKING:
    from edgecv.cli.console import Screen


def compress(
    model: Annotated[
        str | None,
        typer.Argument(
            help="A .keras (Keras 3 or 2), .h5, .onnx or SavedModel folder; without it a baseline "
            "is trained."
        ),
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(
            help="none, float16, dynamic, int8 (static: weights, activations, input and output), "
            "int16x8.",
            show_default="int8",
        ),
    ] = None,
    preprocess: Annotated[
        str | None,
        typer.Option(
            help="What MODEL expects of pixels: 0..255, 0..1, -1..1, imagenet, caffe.",
            show_default="as in its graph",
        ),
    ] = None,
    labels: Labels = None,
    io: Annotated[
        str | None,
        typer.Option(
            help="What an int8 file takes: uint8, int8 (the byte minus 128) or float32.",
            show_default="uint8",
        ),
    ] = None,
    trust_model: TrustModel = False,
    custom_objects: CustomObjects = None,
    shrink: Annotated[
        str | None,
        typer.Option(
            help="Remove channels: the fraction of multiply-accumulates to keep (0.5), or a "
            "target: 1.2Mmacs, 30kparams, 35KB (int8 file), 10us, 6x (faster than float32); "
            "several with a comma.",
        ),
    ] = None,
    distil: Annotated[
        bool,
        typer.Option("--distil", help="Train each step against what the original says of images."),
    ] = False,
    prune: Annotated[
        str | None,
        typer.Option(help="Set this fraction of the weights to zero (0.5), or 2:4 of each four."),
    ] = None,
    cluster: Annotated[
        int | None, typer.Option(help="Give each kernel at most so many distinct weights.")
    ] = None,
    qat: Annotated[
        bool, typer.Option("--qat", help="Train on with the rounding of int8 in place.")
    ] = False,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="tflite or onnx, or both with a comma.", show_default="both"),
    ] = None,
    data: DataOfRun = None,
    architecture: Architecture = None,
    schedule: ScheduleName = None,
    epochs: Epochs = None,
    recipe: Annotated[
        str | None, typer.Option(help="A TOML recipe; the other flags change it.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run: a folder of --output.")] = None,
    max_drop: MaxDrop = None,
    drop_on: DropOn = None,
    min_agreement: MinAgreement = None,
    max_flips: MaxFlips = None,
    max_class_drop: MaxClassDrop = None,
    max_size: MaxSize = None,
    max_gzip: MaxGzip = None,
    min_speedup: MinSpeedup = None,
    max_latency: MaxLatency = None,
    calibration_images: Annotated[
        int | None,
        typer.Option(help="Images that find the ranges of int8 and int16x8.", show_default="200"),
    ] = None,
    seed: Seed = None,
    threads: Threads = None,
    skip_bad_images: SkipBadImages = False,
    output: Output = "exported",
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Quantize and convert a model, and prove each artifact against the original."""
    options = {
        "model": model,
        "quantize": quantize,
        "preprocess": preprocess,
        "labels": labels,
        "io": io,
        "trust_model": trust_model,
        "custom_objects": tuple(custom_objects or ()),
        "shrink": shrink,
        "distil": distil,
        "prune": prune,
        "cluster": cluster,
        "qat": qat,
        "formats": tuple(formats or ()),
        "data": data,
        "architecture": architecture,
        "schedule": schedule,
        "epochs": epochs,
        "recipe": recipe,
        "name": name,
        "max_drop": max_drop,
        "drop_on": drop_on,
        "min_agreement": min_agreement,
        "max_flips": max_flips,
        "max_class_drop": max_class_drop,
        "max_size": max_size,
        "max_gzip": max_gzip,
        "min_speedup": min_speedup,
        "max_latency": max_latency,
        "calibration_images": calibration_images,
        "seed": seed,
        "threads": threads,
        "skip_bad_images": skip_bad_images,
    }

    def work(screen: "Screen") -> int:
        from edgecv.evaluation.gates import exit_code
        from edgecv.pipeline import run as pipeline
        from edgecv.pipeline.user_models import check_user_model
        from edgecv.system.storage import Store

        plan = recipe_of(options)
        if dry_run:
            check_user_model(plan)
            screen.answer(plan.to_toml())
            return 0
        store = Store.at(output)
        report = pipeline.run(plan, store, force=force, on_event=screen.on_event, log=screen.log)
        screen.report(report, store.run_folder(plan.name), as_json=as_json)
        return exit_code(report.gates)

    on_screen(work)
