"""``edgecv doctor``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecv.cli.run_command import on_screen

if TYPE_CHECKING:
    from edgecv.cli.console import Screen


def doctor(
    path: Annotated[Path, typer.Argument(help="A .tflite or .onnx file, of any maker.")],
    data: Annotated[
        str | None, typer.Option(help="Images to compare kernels and layers on.")
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(help="The model that the file was made of, or its float32 twin."),
    ] = None,
    beside: Annotated[
        Path | None,
        typer.Option(help="Another file of the same model, whose answers are compared too."),
    ] = None,
    kernels: Annotated[
        str, typer.Option(help="Of LiteRT: xnnpack, builtin or reference.")
    ] = "xnnpack",
    fix: Annotated[
        Path | None,
        typer.Option(help="Write the remedy as a recipe here, run it, and say whether it helps."),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="The same as JSON on standard output, nothing else there."),
    ] = False,
) -> None:
    """Say why a file is slow and why it is wrong, worst first, and what to do."""

    def work(screen: "Screen") -> int:
        from edgecv.analysis.doctor.diagnose import DoctorRequest, diagnose
        from edgecv.analysis.doctor.text import to_json, to_text

        patient = DoctorRequest(path, baseline, data, beside, kernels)
        found = diagnose(patient, on_event=screen.on_event, log=screen.log)
        if fix is not None:
            from edgecv.analysis.doctor.fix import with_fix

            found = with_fix(patient, found, fix, on_event=screen.on_event, log=screen.log)
        screen.answer(to_json(found) if as_json else to_text(found))
        return 1 if any(each.severity == "error" for each in found.findings) else 0

    on_screen(work)
