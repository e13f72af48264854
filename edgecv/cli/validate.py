"""``edgecv validate``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecv.cli.options import (
    AsJson,
    CustomObjects,
    DropOn,
    Labels,
    MaxClassDrop,
    MaxDrop,
    MaxFlips,
    MaxGzip,
    MaxLatency,
    MaxSize,
    MinAgreement,
    MinSpeedup,
    SkipBadImages,
    TrustModel,
)
from edgecv.cli.run_command import on_screen

if TYPE_CHECKING:
    from edgecv.cli.console import Screen


def validate(
    paths: Annotated[
        list[Path], typer.Argument(help="A run folder, or .tflite, .onnx, .keras, .h5 files.")
    ],
    data: Annotated[
        str | None,
        typer.Option(help="As for compress; a run folder knows its own. test/ alone is enough."),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="The original to compare with; a run folder has its own.")
    ] = None,
    preprocess: Annotated[
        str | None,
        typer.Option(
            help="What files of other makers expect of pixels: 0..255, 0..1, -1..1, imagenet, "
            "caffe.",
            show_default="by an integer input's range, else 0..255",
        ),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(help="nchw or nhwc, where a shape may be either.", show_default="by shape"),
    ] = None,
    input_size: Annotated[
        str | None,
        typer.Option(help="HEIGHTxWIDTH for files that leave their size open."),
    ] = None,
    threads: Annotated[int, typer.Option(help="Threads while a file is timed.")] = 1,
    labels: Labels = None,
    max_drop: MaxDrop = None,
    drop_on: DropOn = None,
    min_agreement: MinAgreement = None,
    max_flips: MaxFlips = None,
    max_class_drop: MaxClassDrop = None,
    max_size: MaxSize = None,
    max_gzip: MaxGzip = None,
    min_speedup: MinSpeedup = None,
    max_latency: MaxLatency = None,
    skip_bad_images: SkipBadImages = False,
    trust_model: TrustModel = False,
    custom_objects: CustomObjects = None,
    as_json: AsJson = False,
) -> None:
    """Measure artifacts again; TensorFlow is loaded only for Keras models."""

    limits = {
        "max_drop": max_drop,
        "drop_on": drop_on,
        "min_agreement": min_agreement,
        "max_flips": max_flips,
        "max_class_drop": max_class_drop,
        "max_size": max_size,
        "max_gzip": max_gzip,
        "min_speedup": min_speedup,
        "max_latency": max_latency,
    }

    def work(screen: "Screen") -> int:
        from edgecv.analysis.validate import validate_paths
        from edgecv.core.input_spec import input_spec_of
        from edgecv.core.options import parse_flags
        from edgecv.evaluation.gates import exit_code
        from edgecv.evaluation.limits import Limits
        from edgecv.pipeline.recipe.limit_flags import LimitOptions

        report = validate_paths(
            paths,
            data=data,
            baseline=baseline,
            threads=threads,
            labels=None if labels is None else Path(labels),
            limits=parse_flags(LimitOptions, limits).changed(Limits()),
            skip_bad_images=skip_bad_images,
            input_spec=input_spec_of(preprocess, layout, input_size),
            trust_model=trust_model,
            custom_objects=tuple(custom_objects or ()),
            on_event=screen.on_event,
            log=screen.log,
        )
        screen.report(report, None, as_json=as_json)
        return exit_code(report.gates)

    on_screen(work)
