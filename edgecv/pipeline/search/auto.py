"""The first recipe that holds the limits: recipes are tried in turn, the cheapest first."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from shlex import quote

from edgecv.core.data import SPLITS, Dataset
from edgecv.core.errors import EdgecvError, InputError, RuntimeFailure, StepError
from edgecv.core.events import Event, OnEvent, ignore_event
from edgecv.core.report import Report
from edgecv.core.text import counted
from edgecv.pipeline.context import open_run
from edgecv.pipeline.judge_again import check_made_of, is_judged_by
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.run import Check, compress, run
from edgecv.pipeline.run_checks import preflight
from edgecv.pipeline.search.checks import check_store_takes_more
from edgecv.pipeline.search.front import nearest
from edgecv.pipeline.search.halving import needs_control
from edgecv.pipeline.search.ladder import Attempt, ladder, line_of_attempt
from edgecv.pipeline.search.limit_checks import (
    check_has_limits,
    check_limits_can_hold,
    check_reachable,
)
from edgecv.pipeline.search.options import (
    check_one_format,
    confirmed_on_test,
    files_note,
    judged_on_validation,
)
from edgecv.pipeline.search.trial import figures_of, steps_of, unmeasured
from edgecv.pipeline.user_models import check_user_model
from edgecv.reports.json_file import read_report
from edgecv.system.storage import Store, check_outside_runs, check_seal

USUAL_MINUTES = 15.0
"""Time after which no further recipe is begun."""


def compress_auto(
    options: CompressOptions, on_event: OnEvent = ignore_event, log: Path | None = None
) -> Report:
    """Run the first recipe that holds the limits, or the one that came nearest, on test images.

    No recipe is begun after ``minutes``, and one that runs is left out; the first is always tried.
    Raises InputError for limits that no file could be shown to hold, StepError where a step fails,
    RuntimeFailure where no file could be measured.
    """
    minutes = USUAL_MINUTES if options.minutes is None else options.minutes
    base, end = first_recipe(options), time.monotonic() + 60 * minutes
    store = Store.at(options.output)
    check_has_limits(base)
    check_limits_can_hold(base)
    check_user_model(base)
    preflight(base, store, options.force)
    trials = Store(store.root, f"{base.name}-trials")
    check_outside_runs(trials.run_folder(base.name), "--name")
    training = options.training

    def check(data: Dataset) -> None:
        images = {name: len(data.split(name)) for name in SPLITS}
        check_reachable(base, images, has_labels=data.has_labels)

    def say(message: str) -> None:
        on_event(Event("search", message))

    if not options.formats:
        say(files_note(base, is_given=options.recipe is not None))
    attempts: list[Attempt] = []
    lost: RuntimeFailure | None = None
    on_event = without_repeats(on_event)
    for number, recipe in enumerate(ladder(base, training, attempts, say)):
        if lost and not attempts and recipe.trains:
            continue  # No training changes what a runtime dies of.
        if (attempts or lost) and time.monotonic() > end:
            say(f"--minutes {minutes:g} are over: no further recipe is tried")
            break
        # The first needs no technique, and there is none to fall back on.
        listener = within(on_event, end, minutes) if attempts or lost else on_event
        say(f"trying {steps_of(recipe)} on validation images")
        names = tuple(f"{base.name}-{number:03d}-{kind}" for kind in ("validation", "control"))

        def run_once(trial: Recipe, listener: OnEvent = listener) -> Report:
            return _run_once(trial, trials, listener, log, check)

        try:
            report = judged(base, recipe, names, run_once)
        except EdgecvError as error:
            if not attempts and not lost:  # It needs no technique: model or data are wrong.
                raise
            check_store_takes_more(store)
            say(f"{steps_of(recipe)} is left out: {error}")
            continue
        if failure := unmeasured(report):
            lost = lost or failure
            say(f"{steps_of(recipe)} is left out: {failure}")
            continue
        attempts.append(Attempt(recipe, report))
        say(line_of_attempt(attempts[-1]))
        if attempts[-1].is_worth_it:
            break
    if lost and not attempts:
        raise lost
    chosen, remark = choice_of(base, attempts)
    say(remark)
    say(f"proving {steps_of(chosen.recipe)} on the test images")
    final = confirmed_on_test(base, chosen.recipe, base.name, remark)
    report = run(final, store, force=options.force, on_event=on_event, log=log)
    recipe_file = quote(str(store.run_folder(base.name) / "recipe.toml"))
    say(f"without a search: edgecv compress --recipe {recipe_file} --name {base.name}-again")
    return report


def judged(
    base: Recipe, recipe: Recipe, names: tuple[str, ...], run_once: Callable[[Recipe], Report]
) -> Report:
    """Return the report of a recipe on validation images.

    What trains is run without a control, and with one where it holds its limits without.
    """
    bare, controlled = names
    trial = judged_on_validation(base, recipe, bare, has_control=not recipe.trains)
    report = run_once(trial)
    if not needs_control(report, recipe, base):
        return report
    return run_once(judged_on_validation(base, recipe, controlled))


def within(on_event: OnEvent, end: float, minutes: float) -> OnEvent:
    """Return a listener that raises StepError at the first event after ``end``.

    What was finished by then is stored, and so is the last epoch of a training.
    """

    def on_event_in_time(event: Event) -> None:
        on_event(event)
        if time.monotonic() > end:
            raise StepError(f"--minutes {minutes:g}", "were over before it had ended")

    return on_event_in_time


REPEATED = ("baseline", "data", "note")
"""Stages of what is the same in every trial: model and data."""


def without_repeats(on_event: OnEvent) -> OnEvent:
    """Return a listener that passes on what is said of model and data once."""
    shown: set[str] = set()

    def on_new_event(event: Event) -> None:
        if event.stage in REPEATED and event.total is None:
            if event.message in shown:
                return
            shown.add(event.message)
        on_event(event)

    return on_new_event


def first_recipe(options: CompressOptions) -> Recipe:
    """Return the recipe of the options, with the name of the run and one file."""
    if options.minutes is not None and options.minutes <= 0:
        raise InputError("--minutes", f"{options.minutes:g}", accepted="more than 0")
    check_one_format(options.formats)
    recipe = options.model_copy(update={"minutes": None}).to_recipe()
    first = recipe.exports[0].precision
    if recipe.techniques or recipe.search or first != "int8":
        own = "[[technique]]" if recipe.techniques else "[search]" if recipe.search else first
        raise InputError(
            str(options.recipe),
            f"has {own}, and --auto chooses techniques and precisions",
            accepted="[data], [baseline], [gates], and an [[export]] as int8",
            remedy="leave it out, or leave out --auto",
        )
    name = options.name or f"{recipe.name.removesuffix('-int8')[:75]}-auto"
    settings = recipe.settings.model_copy(update={"name": name})
    return recipe.replace(settings=settings, exports=recipe.exports[:1])


def _run_once(
    recipe: Recipe, store: Store, on_event: OnEvent, log: Path | None, check: Check
) -> Report:
    """Return the report of a run: the one that is there already, or one made now."""
    place = store.run_folder(recipe.name)
    with open_run(store, recipe.settings, on_event, log) as context:
        if place.exists():
            check_seal(place)
            report = read_report(place)
            if report.comparisons and is_judged_by(report, recipe):
                with suppress(InputError):  # Model or data are others now: it is made anew.
                    check_made_of(report, recipe, context, place)
                    return report
        return compress(recipe, context, force=True, check=check)


def choice_of(base: Recipe, attempts: list[Attempt]) -> tuple[Attempt, str]:
    """Return the attempt that holds the limits, or the nearest, and a sentence on the choice."""
    count, images = counted(len(attempts), "recipe"), attempts[0].report.data.splits["test"].images
    choice = f"chosen by --auto among {count} on {images:,} validation images"
    held = [each for each in attempts if each.holds]
    if not held:
        figures = [(each, figures_of(each.report, each.recipe)) for each in attempts]
        attempt = nearest(figures, base.gates)
        return attempt, f"{choice}: none holds all limits there, and this one came nearest"
    chosen = next((each for each in held if each.is_worth_it), held[0])
    gain = "" if chosen.is_worth_it else ", though it gains no more in bytes than it loses in time"
    return (
        chosen,
        f"{choice}: the first that holds the limits there{gain}; the test images chose nothing",
    )
