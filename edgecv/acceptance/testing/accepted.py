"""A comparison judged against the accepted one, as ``edgecv gate`` does."""

import re
from dataclasses import replace
from pathlib import Path

from edgecv.acceptance.gate import MeasuredRun, judgement_of, proposal
from edgecv.acceptance.lock import ONE_LINE, Lock
from edgecv.acceptance.records import Judgement
from edgecv.acceptance.testing.accepted_file import accepted_file, change_entry, read_accepted
from edgecv.acceptance.testing.measured_pair import MeasuredPair
from edgecv.acceptance.testing.text import changed_text, nothing_text
from edgecv.acceptance.text import changes_sentence
from edgecv.core.errors import InputError
from edgecv.core.text import counted, printable, short_name
from edgecv.evaluation.gates import verdict
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.output_differences import OUTPUTS
from edgecv.pipeline.run_gates import limit_gates
from edgecv.system.environment import machine

NAME_IT = 'name it: assert_as_accepted(name="...")'
NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]")


def judge_accepted(pair: MeasuredPair, name: str | None) -> None:
    """Judge a pair against its accepted entry, or accept it if the test run updates.

    Raises AssertionError with an explanation, InputError if the file is damaged.
    """
    entry = _checked(_entry(pair) if name is None else name)
    path = accepted_file(pair.setting.test_file())
    if pair.setting.is_update:
        _update(pair, entry, path)
        return
    lock = read_accepted(path).get(entry)
    if lock is None:
        raise AssertionError(nothing_text(pair, entry, path))
    judgement = judgement_of(_as_in(pair, lock, entry), lock, path)
    if judgement.outcome != "passed":
        raise AssertionError(_explained(pair, judgement, lock, path))


def _update(pair: MeasuredPair, entry: str, path: Path) -> None:
    accepted: list[str] = []

    def change(old: Lock | None) -> Lock | None:
        gates = Limits() if old is None else old.gates
        new, judgement = proposal(_as_in(pair, old, entry), old, gates, path)
        if judgement.update == "refused":
            raise AssertionError(_explained(pair, judgement, old, path))
        if old is not None and _undated(new) == _undated(old):
            return None
        text = "is new" if old is None else changes_sentence(judgement)
        accepted.append(f"{pair.setting.shown(path)}: {entry}: {text}")
        return new

    change_entry(path, entry, change)
    for text in accepted:  # Not before it is written.
        pair.setting.on_accepted(text)


def _explained(pair: MeasuredPair, judgement: Judgement, lock: Lock | None, path: Path) -> str:
    return changed_text(pair, replace(judgement, lock=pair.setting.shown(path)), lock)


def _undated(lock: Lock) -> Lock:
    """Return a lock without its date and commit: accepting the same again changes no line."""
    return lock.model_copy(update={"accepted": None, "commit": None})


def _entry(pair: MeasuredPair) -> str:
    """Return the name of an entry: paths relative to the root. Raises InputError for others."""
    for path in (pair.artifact, pair.baseline, pair.setting.root / pair.data):
        if not pair.setting.holds(path):
            raise InputError(
                "assert_as_accepted",
                f"{path} lies outside of {pair.setting.root}, so that its path names no entry",
                remedy=NAME_IT,
            )
    artifact, baseline, data = pair.names
    return printable(f"{artifact} beside {baseline} on {data}")


def _checked(entry: str) -> str:
    """Return the name of an entry. Raises InputError for one that the file cannot hold."""
    if re.fullmatch(ONE_LINE, entry) is None:
        raise InputError(
            "assert_as_accepted",
            f"the name of the entry is {short_name(repr(entry))}, "
            f"{counted(len(entry), 'character')}",
            accepted="a name of one line, up to 200 characters",
            remedy=NAME_IT,
        )
    return entry


def _as_in(pair: MeasuredPair, lock: Lock | None, entry: str) -> MeasuredRun:
    """Return a pair as a run with the file name and the gates of the lock."""
    path = pair.comparison.artifact.path
    name = NOT_IN_A_NAME.sub("_", pair.artifact.name).lstrip(".-") or "artifact"
    gates = Limits()
    if lock is not None:
        name, gates = next(iter(lock.artifacts)), lock.gates
    artifact = replace(pair.comparison.artifact, path=name)
    comparisons = tuple(replace(each, artifact=artifact) for each in pair.report.comparisons)
    found = [replace(each, artifact=name) for each in pair.report.gates]
    limits = limit_gates(comparisons, gates, pair.measured.task, pair.report.data, machine())
    found += [each for each in limits if each.name != OUTPUTS]
    report = replace(
        pair.report, comparisons=comparisons, gates=tuple(found), outcome=verdict(found)
    )
    arrays = replace(pair.measured, outputs={name: pair.measured.outputs[path]})
    return MeasuredRun(entry, report, arrays)
