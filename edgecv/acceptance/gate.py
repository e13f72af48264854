"""The gate: a run is measured again, compared with the lock and, if asked, accepted."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from edgecv.acceptance.changes import artifact_changes, change_sentence, other_changes
from edgecv.acceptance.judge import OF_ANSWERS, judge_changes, not_compared
from edgecv.acceptance.lock import Lock, default_limits, head_key
from edgecv.acceptance.lock_file import read_lock, write_lock
from edgecv.acceptance.make_lock import accepted_head, accepted_run, commit_of, steady
from edgecv.acceptance.options import GateOptions
from edgecv.acceptance.records import Change, Judgement, Since
from edgecv.analysis.options import ValidateOptions
from edgecv.analysis.validate import validate
from edgecv.analysis.validation_arrays import ValidationArrays
from edgecv.core.command_options import parse_flags
from edgecv.core.errors import InputError
from edgecv.core.events import OnEvent, ignore_event
from edgecv.core.options import parse_options
from edgecv.core.report import Report
from edgecv.evaluation.gates import verdict
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.task_of import per_head
from edgecv.pipeline.context import open_analysis
from edgecv.pipeline.recipe.options import MeasuredDataOptions, OnOptions, TrustOptions
from edgecv.reports.json_file import read_report
from edgecv.system.storage import tree_sha256


@dataclass(frozen=True)
class MeasuredRun:
    """A run that was just measured: its name, its report, and the arrays behind the report."""

    name: str
    report: Report
    arrays: ValidationArrays


def gate_run(
    options: GateOptions, on_event: OnEvent = ignore_event, log: Path | None = None
) -> Judgement:
    """Judge a run against the accepted one; with ``update`` accept it and list its changes.

    Everything is measured now, the baseline too. A run is not accepted if a file cannot be measured
    or a gate against the baseline fails: ``Judgement.update`` is then "refused". ``threads``
    defaults to that of the lock. Raises InputError for a missing or damaged lock, and for a run
    whose files are not those of its manifest.
    """
    run, against, threads = options.run, options.against, options.threads
    if not run.is_dir():
        raise InputError(
            str(run), "is not a run folder", accepted="a folder that edgecv compress wrote"
        )
    old = None if options.update and not os.path.lexists(against) else read_lock(against)
    kept = read_report(run)
    if old is None:  # The first lock keeps the limits in the recipe of the run.
        where = f"{run}/report.json, gates"
        gates = parse_options(Limits, kept.recipe.get("gates", {}), where).with_defaults()
    else:
        gates = old.gates
    if threads is None:
        threads = 1 if old is None or old.speed is None else old.speed.threads
    shared = {
        name: getattr(options, name)
        for options_class in (TrustOptions, MeasuredDataOptions, OnOptions)
        for name in options_class.model_fields
    }
    asked = parse_flags(ValidateOptions, {**shared, "paths": (run,), "threads": threads})
    request = replace(asked.request(), limits=gates)
    with open_analysis(request.settings, on_event, log, request.trust) as context:
        measured = MeasuredRun(kept.name, *validate(request, context))
    if old is not None and not options.update:
        judgement = judgement_of(measured, old, against)
    else:
        judgement = accept(measured, old, gates, against)
    return replace(judgement, folder=str(run))


def accept(run: MeasuredRun, old: Lock | None, gates: Limits, path: Path) -> Judgement:
    """Accept a run: write its lock unless the run itself failed, and return the changes."""
    new, judgement = proposal(run, old, gates, path)
    if judgement.update == "written":
        write_lock(new, path)
    return judgement


def proposal(
    run: MeasuredRun, old: Lock | None, gates: Limits, path: Path
) -> tuple[Lock, Judgement]:
    """Return the lock of a run, to be written unless ``update`` of the judgement is "refused".

    ``gates`` are the limits that the run was just judged by, ``old`` is the lock in ``path``.
    """
    report = run.report
    has_speedups = any(each.speedup is not None for each in report.comparisons)
    limits = default_limits(has_labels=report.data.has_labels, has_speedups=has_speedups)
    if old is not None:
        limits = old.limits
    commit = commit_of(path.parent)
    first, *others = (
        accepted_run(run.name, each.report, each.arrays, limits=limits, gates=gates, commit=commit)
        for each in runs_of_heads(run).values()
    )
    _, *keys = map(head_key, runs_of_heads(run))
    heads = dict(zip(keys, map(accepted_head, others), strict=True))
    new = first.model_copy(update={"heads": heads})
    if old is not None:
        new = steady(new, old)
    has_same_heads = old is not None and old.heads.keys() == new.heads.keys()
    judgement = judgement_of(run, old if old is not None and has_same_heads else new, path)
    if report.outcome == "failed":
        return new, replace(judgement, update="refused")
    return new, replace(judgement, update="written", is_first=old is None)


def judgement_of(run: MeasuredRun, lock: Lock, path: Path) -> Judgement:
    """Judge a measured run against a lock that was read from ``path``, each head by its own.

    What is of the file, and not of a head, is judged with the first. Raises InputError for a lock
    of other heads.
    """
    report, heads = run.report, runs_of_heads(run)
    _, *others = map(head_key, heads)
    if others != list(lock.heads):
        raise InputError(
            str(path),
            f"was accepted with the heads {', '.join(lock.heads) or 'of one task'}",
            accepted=", ".join(others) or "a run of one task",
            remedy="accept the run anew: edgecv gate RUN --update",
        )
    baseline = "none" if report.baseline is None else tree_sha256(Path(report.baseline.path))
    since = Since(lock.accepted.isoformat(), lock.commit)
    gates, found = [*report.gates], list[Change]()
    broken = {gate.artifact for gate in report.gates if gate.name == "runs"}
    for name, each in heads.items():
        own = lock.of_head(name)
        changes = artifact_changes(own, each.report, each.arrays, broken)
        for gate in judge_changes(own, each.report, changes, since, each.arrays.asked_twins):
            is_of_head = gate.name in OF_ANSWERS
            if is_of_head or not found:
                gates.append(replace(gate, head=name if is_of_head else ""))
        found += [replace(change, head=name) for change in changes]
    sentences = [sentence for each in found if (sentence := change_sentence(each))]
    return Judgement(
        name=run.name,
        lock=str(path),
        since=since,
        outcome=verdict(gates),
        gates=tuple(gates),
        artifacts=tuple(found),
        changes=(*sentences, *other_changes(lock, report, baseline)),
        not_compared=not_compared(lock, report),
        report=report,
    )


def runs_of_heads(run: MeasuredRun) -> dict[str, MeasuredRun]:
    """Return the run as that of each head of the model, by its name: itself where it has one."""
    heads, reports = run.arrays.task.heads(), per_head(run.report).values()
    return {
        head.name: replace(run, report=report, arrays=run.arrays.of_head(head))
        for head, report in zip(heads, reports, strict=True)
    }
