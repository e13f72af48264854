"""Options that several commands share."""

from typing import Annotated

import typer

TrustModel = Annotated[
    bool,
    typer.Option(
        "--trust-model",
        help="Load the Keras model whatever is in it: its author can run any code as you.",
    ),
]
CustomObjects = Annotated[
    list[str] | None,
    typer.Option(
        help="A class or function of your own that the model needs, as module:name. Repeatable."
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        help="cifar10, digits, a folder or .zip with train/CLASS/ and test/CLASS/, or a .npz.",
        show_default="cifar10",
    ),
]
DataOfRun = Annotated[
    str | None,
    typer.Option(
        help="cifar10, digits, a folder or .zip with train/CLASS/ and test/CLASS/, a .npz, or for "
        "a MODEL a folder of images without labels. For a MODEL that is only converted (none, "
        "float16, dynamic) test/ alone is enough.",
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
Labels = Annotated[
    str | None,
    typer.Option(
        help="A file with the name of each output of the model, a line each.",
        show_default="the classes of the data",
    ),
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
DropOn = Annotated[
    str | None,
    typer.Option(
        help="What --max-drop holds: the drop as measured (point) or its 95% interval (bound).",
        show_default="point",
    ),
]
MinAgreement = Annotated[
    str | None,
    typer.Option(
        help="Fail if fewer images get the baseline's answer: 0.98 or 98%.",
    ),
]
MaxFlips = Annotated[
    str | None,
    typer.Option(
        help="Fail if more images get another answer: a number, or 0.01 or 1% of them.",
    ),
]
MaxClassDrop = Annotated[
    float | None,
    typer.Option(
        help="Fail if a class loses more points than this, and not by chance.",
    ),
]
MaxSize = Annotated[
    str | None,
    typer.Option(
        help="Fail if a file is larger: 35KB, 1.2MB (KB = 1000 bytes).",
    ),
]
MaxGzip = Annotated[
    str | None,
    typer.Option(
        help="Fail if a file is larger after gzip -9: 35KB, 1.2MB.",
    ),
]
MinSpeedup = Annotated[
    str | None,
    typer.Option(
        help="Fail if not so many times faster than the float32 twin: 2 or 2x.",
    ),
]
MaxLatency = Annotated[
    str | None,
    typer.Option(
        help="Fail if one image takes longer on this machine: 50us, 1.5ms.",
    ),
]
