"""The table of commands: the module of each, its help and its example.

A command's module is imported when it is called, so that ``edgecv --help`` imports none.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command: ``module.run(options, screen)`` does it and returns the exit code."""

    group: str
    help: str
    example: str
    module: str = ""
    """Module of edgecv.cli, where its name differs from that of the command."""


MAKE, DEPLOY, EXAMINE, SHOW, ACCEPT, LOOK_UP = (
    "Make small files",
    "Bring them to a device",
    "Examine files",
    "Show what runs gave",
    "Compare with what was accepted",
    "Look up",
)
COMMANDS: dict[str, Command] = {
    "compress": Command(
        MAKE,
        "Quantize and convert a model, and prove each artifact against the original.",
        "edgecv compress model.keras --data photos --max-drop 1",
    ),
    "train": Command(
        MAKE,
        "Train a baseline and keep it, its history and its learning curves.",
        "edgecv train --data digits",
    ),
    "search": Command(
        MAKE,
        "Search the recipes that hold limits, within a budget, and prove the best of them.",
        "edgecv search model.keras --data photos --max-drop 1 --trials 40",
    ),
    "table": Command(
        MAKE,
        "Run recipes that were not run yet, and print what all of them gave, as Markdown.",
        "edgecv table recipes/*.toml",
    ),
    "pack": Command(
        MAKE,
        "Make a finished file smaller without changing an answer: the same network, packed.",
        "edgecv pack model.tflite",
    ),
    "log": Command(
        MAKE,
        "Write a finished run into a log of experiments: TensorBoard, MLflow or a CSV file.",
        "edgecv log exported/my-run --to mlflow",
    ),
    "deploy": Command(
        DEPLOY,
        "Check a file, build what a device needs, run it there, and compare its answers.",
        "edgecv deploy exported/my-run --to bundle",
    ),
    "predict": Command(
        EXAMINE,
        "Show the answers of a file for images, with names and probabilities.",
        "edgecv predict int8.tflite photo.jpg",
    ),
    "validate": Command(
        EXAMINE,
        "Measure artifacts again; TensorFlow is loaded only for Keras models.",
        "edgecv validate small.tflite --baseline large.onnx --data photos",
    ),
    "bench": Command(
        EXAMINE,
        "Time files in turn on random pixels, and say which of them are really faster.",
        "edgecv bench float32.tflite int8.tflite",
    ),
    "inspect": Command(
        EXAMINE,
        "Show what is in model files: inputs, operators, costs, memory, what is quantized.",
        "edgecv inspect int8.tflite",
    ),
    "doctor": Command(
        EXAMINE,
        "Say why a file is slow and why it is wrong, worst first, and what to do.",
        "edgecv doctor int8.tflite --baseline model.keras --data photos",
    ),
    "report": Command(
        SHOW,
        "Show a finished run, and write its page: one HTML file to look at and to pass on.",
        "edgecv report exported/my-run --open",
    ),
    "compare": Command(
        SHOW,
        "Show several finished runs side by side, and write one page of them.",
        "edgecv compare exported/first exported/second --open",
    ),
    "card": Command(
        SHOW,
        "Print the model card of a finished run: Markdown with the metadata that hubs read.",
        "edgecv card exported/my-run > README.md",
    ),
    "gate": Command(
        ACCEPT,
        "Measure a run again and hold it against the one that was accepted: edgecv.lock.",
        "edgecv gate exported/my-run",
    ),
    "verify": Command(
        ACCEPT,
        "Fail unless runs are, byte for byte, what was written: no file changed, missing or more.",
        "edgecv verify exported/my-run",
    ),
    "sign": Command(
        ACCEPT,
        "Sign a run with a key, beside its folder; edgecv verify --key checks it (edgecv[sign]).",
        "edgecv sign exported/my-run --key private.pem",
    ),
    "list": Command(
        LOOK_UP,
        "Show the data sets, networks, techniques, formats and ready recipes that there are.",
        "edgecv list",
        module="list_plugins",
    ),
    "schema": Command(
        LOOK_UP,
        "Print the JSON schema of recipes, for editors.",
        "edgecv schema > recipe.schema.json",
    ),
}
