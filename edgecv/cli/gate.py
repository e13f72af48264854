"""``edgecv gate``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecv.cli.options import AsJson, CustomObjects, SkipBadImages, TrustModel
from edgecv.cli.run_command import on_screen

if TYPE_CHECKING:
    from edgecv.cli.console import Screen


def gate(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    against: Annotated[Path, typer.Option(help="The file of the accepted run.")] = Path(
        "edgecv.lock"
    ),
    update: Annotated[
        bool, typer.Option("--update", help="Accept this run: write the file, say what changed.")
    ] = False,
    data: Annotated[
        str | None,
        typer.Option(help="As for compress; a run folder knows its own. test/ alone is enough."),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            help="Threads while a file is timed.", show_default="those of the accepted run, else 1"
        ),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(help="Write JUnit XML here: a test case for each gate.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Write Markdown here: a comment for a pull request.")
    ] = None,
    skip_bad_images: SkipBadImages = False,
    trust_model: TrustModel = False,
    custom_objects: CustomObjects = None,
    as_json: AsJson = False,
) -> None:
    """Measure a run again and hold it against the one that was accepted: edgecv.lock."""

    def work(screen: "Screen") -> int:
        from edgecv.acceptance.gate import gate_run
        from edgecv.acceptance.outputs import check_files, write_outputs

        check_files(run, {"--against": against, "--junit": junit, "--markdown": markdown})
        judgement = gate_run(
            run,
            against=against,
            update=update,
            data=data,
            threads=threads,
            skip_bad_images=skip_bad_images,
            trust_model=trust_model,
            custom_objects=tuple(custom_objects or ()),
            on_event=screen.on_event,
            log=screen.log,
        )
        write_outputs(judgement, junit=junit, markdown=markdown)
        screen.judgement(judgement, as_json=as_json)
        return judgement.exit_code

    on_screen(work)
