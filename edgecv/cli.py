"""The commands: parse, call, show. No logic; heavy imports inside the functions."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgecv import __version__

if TYPE_CHECKING:
    from edgecv.console import Screen
    from edgecv.recipe import Recipe

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Compress Keras vision models for the edge, and prove what each artifact cost.",
    epilog="Exit codes: 0 passed, 1 a gate failed, 2 wrong input, 3 a step failed, "
    "4 inconclusive, 130 interrupted.",
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def edgecv(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """Compress Keras vision models for the edge, and prove what each artifact cost."""


Data = Annotated[
    str | None,
    typer.Option(
        help="cifar10, digits, a folder or .zip with train/CLASS/ and test/CLASS/, or a .npz.",
        show_default="cifar10",
    ),
]
Architecture = Annotated[
    str | None,
    typer.Option(help="The network to train: see edgecv list.", show_default="cifar_cnn"),
]
ScheduleName = Annotated[
    str | None,
    typer.Option(help="How to train it: default or reference.", show_default="default"),
]
Epochs = Annotated[int | None, typer.Option(help="Train so many epochs instead of the schedule's.")]
Seed = Annotated[
    int | None,
    typer.Option(help="Decides splits, first weights, order of images.", show_default="0"),
]
Threads = Annotated[
    int | None,
    typer.Option(help="Threads of a runtime while it is timed.", show_default="1"),
]
SkipBadImages = Annotated[
    bool, typer.Option("--skip-bad-images", help="Leave out images that cannot be read.")
]
Output = Annotated[str, typer.Option(help="The folder of all runs and baselines.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing run of this name.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan as a recipe and touch nothing.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="The report as JSON on standard output, nothing else there.")
]
MaxDrop = Annotated[
    float | None,
    typer.Option(help="Fail if accuracy falls by more points than this."),
]


@app.command()
def train(
    data: Data = None,
    architecture: Architecture = None,
    schedule: ScheduleName = None,
    epochs: Epochs = None,
    seed: Seed = None,
    recipe: Annotated[str | None, typer.Option(help="Train the baseline of this recipe.")] = None,
    skip_bad_images: SkipBadImages = False,
    output: Output = "exported",
    as_json: AsJson = False,
) -> None:
    """Train a baseline and keep it, its history and its learning curves."""
    options = {
        "data": data,
        "architecture": architecture,
        "schedule": schedule,
        "epochs": epochs,
        "seed": seed,
        "recipe": recipe,
        "skip_bad_images": skip_bad_images,
    }

    def work(screen: "Screen") -> int:
        from edgecv import pipeline
        from edgecv.baseline import read_training
        from edgecv.store import Store

        plan = _recipe(options)
        folder = pipeline.train(plan, Store.at(output), screen.on_event)
        screen.training(read_training(folder), folder, as_json=as_json)
        return 0

    _run(work)


@app.command()
def compress(
    model: Annotated[
        str | None,
        typer.Argument(help="A .keras (Keras 3 or 2) or .h5; without it a baseline is trained."),
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
    data: Data = None,
    architecture: Architecture = None,
    schedule: ScheduleName = None,
    epochs: Epochs = None,
    recipe: Annotated[
        str | None, typer.Option(help="A TOML recipe; the other flags change it.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run: a folder of --output.")] = None,
    max_drop: MaxDrop = None,
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
        "calibration_images": calibration_images,
        "seed": seed,
        "threads": threads,
        "skip_bad_images": skip_bad_images,
    }

    def work(screen: "Screen") -> int:
        from edgecv import pipeline
        from edgecv.proof.gates import exit_code
        from edgecv.store import Store

        plan = _recipe(options)
        if dry_run:
            pipeline.check_model(plan)
            screen.answer(plan.to_toml())
            return 0
        store = Store.at(output)
        report = pipeline.run(plan, store, force=force, on_event=screen.on_event, log=screen.log)
        screen.report(report, store.run_folder(plan.name), as_json=as_json)
        return exit_code(report.gates)

    _run(work)


@app.command()
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
    threads: Annotated[int, typer.Option(help="Threads while a file is timed.")] = 1,
    max_drop: MaxDrop = None,
    skip_bad_images: SkipBadImages = False,
    as_json: AsJson = False,
) -> None:
    """Measure artifacts again; TensorFlow is loaded only for Keras models."""

    def work(screen: "Screen") -> int:
        from edgecv.proof.gates import exit_code
        from edgecv.validation import validate_paths

        report = validate_paths(
            paths,
            data=data,
            baseline=baseline,
            threads=threads,
            max_drop=max_drop,
            skip_bad_images=skip_bad_images,
            on_event=screen.on_event,
            log=screen.log,
        )
        screen.report(report, None, as_json=as_json)
        return exit_code(report.gates)

    _run(work)


@app.command()
def table(
    recipes: Annotated[list[Path], typer.Argument(help="Recipes: .toml files.")],
    data: Data = None,
    output: Output = "exported",
    as_json: AsJson = False,
) -> None:
    """Run recipes that were not run yet, and print what all of them gave, as Markdown."""

    def work(screen: "Screen") -> int:
        from edgecv.store import Store
        from edgecv.tables import run_all, to_json, to_markdown

        reports = run_all(recipes, data, Store.at(output), on_event=screen.on_event, log=screen.log)
        screen.answer(to_json(reports) if as_json else to_markdown(reports))
        return 0

    _run(work)


@app.command()
def inspect(
    paths: Annotated[
        list[Path], typer.Argument(help="Model files: .keras, .h5, .tflite, .onnx, of any maker.")
    ],
    as_json: Annotated[
        bool,
        typer.Option("--json", help="The same as JSON on standard output, nothing else there."),
    ] = False,
) -> None:
    """Show what is in model files: inputs, operators, costs, memory, what is quantized."""
    import shutil

    wide = shutil.get_terminal_size((0, 0)).columns  # Before the screen takes standard output.

    def work(screen: "Screen") -> int:
        from edgecv.errors import EdgecvError
        from edgecv.inspection.plain import to_json
        from edgecv.inspection.reading import inspect_all
        from edgecv.inspection.words import WIDE, to_text

        results = []
        for path, found in inspect_all(paths):
            results.append((path, found))
            if isinstance(found, EdgecvError):
                line = f"edgecv: {found}"
                screen.console.print(line, soft_wrap=True, markup=False, highlight=False)
            elif not as_json:
                screen.answer(to_text(found, wide or WIDE))
        if as_json:
            screen.answer(to_json(results))
        return 2 if any(isinstance(found, EdgecvError) for _, found in results) else 0

    _run(work)


@app.command("list")
def list_registered() -> None:
    """Show what is registered, a line each."""

    def work(screen: "Screen") -> int:
        from edgecv.registry import all_registries

        screen.lines(
            [
                (registry.kind, name, cls.help_text())
                for registry in all_registries()
                for name, cls in registry.classes.items()
            ]
        )
        return 0

    _run(work)


@app.command()
def schema() -> None:
    """Print the JSON schema of recipes, for editors."""

    def work(screen: "Screen") -> int:
        import json

        from edgecv.recipe import recipe_schema

        screen.answer(json.dumps(recipe_schema(), indent=2))
        return 0

    _run(work)


def _recipe(options: dict[str, Any]) -> "Recipe":
    from edgecv.flags import Flags
    from edgecv.registry import parse_options

    return parse_options(Flags, options, "command line").to_recipe()


def _run(work: "Callable[[Screen], int]") -> None:
    from edgecv.console import Screen

    with Screen() as screen:
        code = work(screen)
    raise typer.Exit(code)


def run() -> int:
    """Run a command line and return the exit code: no error reaches the screen as a traceback."""
    from typer.exceptions import TyperException

    from edgecv.errors import EdgecvError

    try:
        return int(app(standalone_mode=False) or 0)
    except EdgecvError as error:
        return _fail(str(error), error.exit_code)
    except TyperException as error:
        return _usage(error)
    except (BrokenPipeError, SystemExit):  # Typer leaves so where a pipe is broken.
        return 0  # Whoever was reading has read enough.
    except OSError as error:
        return _fail(f"standard output: cannot be written: {error.strerror}", 3)


def _fail(message: str, code: int) -> int:
    print(f"edgecv: {message}", file=sys.stderr)
    return code


def _usage(error: Any) -> int:
    """Say a usage error in one line; a call without a command gets the help."""
    message = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        print(message, file=sys.stderr)
        return 2
    return _fail(f"{message.rstrip('.')}; see edgecv --help", 2)
