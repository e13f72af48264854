"""``edgecv compress``."""

from edgecv.cli.console import Screen
from edgecv.cli.from_options import JsonOptions
from edgecv.core.errors import InputError
from edgecv.pipeline.recipe.from_flags import CompressOptions


class CompressCommand(JsonOptions, CompressOptions):
    """Options of ``edgecv compress``."""

    dry_run: bool = False
    """Print the plan as a recipe, TOML or JSON, and touch nothing."""


def run(options: CompressCommand, screen: Screen) -> int:
    """Compress a model and show its report, or print the plan alone."""
    from edgecv.cli.show import show_report
    from edgecv.evaluation.gates import exit_code
    from edgecv.pipeline import run as pipeline
    from edgecv.pipeline.run_checks import check_recipe
    from edgecv.pipeline.search.auto import compress_auto
    from edgecv.system.storage import Store

    if options.auto and options.dry_run:
        raise InputError("--dry-run", "--auto decides while it runs", remedy="leave one out")
    if options.auto:
        report = compress_auto(options, screen.on_event, screen.log)
        place = Store.at(options.output).run_folder(report.name)
        show_report(report, place, screen, as_json=options.as_json)
        return exit_code(report.gates)
    plan = options.to_recipe()
    if options.dry_run:
        check_recipe(plan)
        plan.data.most_calibration_images()
        if options.as_json:
            screen.table(plan.table())
        else:
            screen.answer(plan.to_toml())
        return 0
    store = Store.at(options.output)
    report = pipeline.run(
        plan, store, force=options.force, on_event=screen.on_event, log=screen.log
    )
    show_report(report, store.run_folder(plan.name), screen, as_json=options.as_json)
    return exit_code(report.gates)
