"""One measured run against locks of other runs: what is named, what fails, what cannot be told."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from accepted_runs import Accepted

from edgecv.acceptance.answer_bits import packed, right_of
from edgecv.acceptance.gate import MeasuredRun, accept, judgement_of
from edgecv.acceptance.junit import to_junit
from edgecv.acceptance.lock import AcceptedArtifact, AcceptedLimits, AcceptedSpeed, Lock
from edgecv.acceptance.lock_file import read_lock
from edgecv.acceptance.markdown import to_markdown
from edgecv.acceptance.records import Judgement
from edgecv.acceptance.text import advice, verdict_line
from edgecv.core.paired_results import Flips
from edgecv.core.report import Gate, Report
from edgecv.evaluation.gates import failed_file
from edgecv.evaluation.limits import Limits

INT8 = "int8.tflite"
OTHER = "f" * 64


def judged(accepted: Accepted, lock: Lock, report: Report | None = None) -> Judgement:
    run = MeasuredRun("gated", report or accepted.report, accepted.measured)
    return judgement_of(run, lock, Path("edgecv.lock"))


def artifact(lock: Lock, **options: object) -> Lock:
    """Return the lock with another int8 file accepted."""
    changed = lock.artifacts[INT8].model_copy(update=options)
    return lock.model_copy(update={"artifacts": {**lock.artifacts, INT8: changed}})


def limits(lock: Lock, **options: object) -> Lock:
    return lock.model_copy(update={"limits": AcceptedLimits.model_validate(options)})


def speed(lock: Lock, **options: object) -> Lock:
    changed = lock.speed.artifacts[INT8].model_copy(update=options)
    artifacts = {**lock.speed.artifacts, INT8: changed}
    return lock.model_copy(update={"speed": lock.speed.model_copy(update={"artifacts": artifacts})})


def on(lock: Lock, **options: object) -> Lock:
    return lock.model_copy(update={"speed": lock.speed.model_copy(update=options)})


def since_words(accepted: Accepted) -> str:
    assert accepted.lock.commit is not None
    return f"{accepted.lock.accepted} (commit {accepted.lock.commit[:10]})"


def gates(found: Judgement, path: str = INT8) -> dict[str, Gate]:
    return {gate.name: gate for gate in found.gates if gate.artifact == path}


def was_right(accepted: Accepted, *, lost: int, won: int) -> AcceptedArtifact:
    """Return what was accepted where so many images became wrong and so many right since."""
    measured = accepted.measured
    data, outputs = measured.data, measured.outputs[INT8]
    right = right_of(outputs, data.test.labels, measured.task)
    assert right is not None
    before = right.copy()
    before[np.flatnonzero(~right)[:lost]] = True
    before[np.flatnonzero(right)[:won]] = False
    return accepted.lock.artifacts[INT8].model_copy(
        update={
            "sha256": OTHER,
            "answers_sha256": OTHER,
            "right": packed(before),
            "value": round(float(before.mean()), 6),
        }
    )


def with_pairs(accepted: Accepted, *, lost: int, won: int) -> Lock:
    before = was_right(accepted, lost=lost, won=won)
    artifacts = {**accepted.lock.artifacts, INT8: before}
    return accepted.lock.model_copy(update={"artifacts": artifacts})


def test_the_same_run_passes_though_its_images_are_too_few_for_a_bound(accepted: Accepted) -> None:
    found = judged(accepted, accepted.lock)
    assert (found.outcome, found.exit_code, found.changes) == ("passed", 0, ())
    assert gates(found)["accepted_drop_points_bound"].reason.startswith("the same file")
    assert "Nothing changed since" in verdict_line(found)


def test_a_drop_is_told_by_the_images_that_changed(accepted: Accepted) -> None:
    # As many won as lost: the average says nothing at all.
    lock = limits(with_pairs(accepted, lost=20, won=20), max_drop_points=0.5, drop_on="point")
    found = judged(accepted, lock)
    gate = gates(found)["accepted_drop_points"]
    assert (gate.outcome, gate.observed) == ("passed", 0.0)
    since = f"since {since_words(accepted)}"
    assert f"{since}: 20 images became wrong, 20 became right (p = 1)" in gate.reason


@pytest.mark.parametrize(
    ("lost", "won", "options", "name", "outcome"),
    [
        (20, 20, {"max_drop_points": 0.5, "drop_on": "bound"}, "_bound", "inconclusive"),
        (20, 20, {"max_drop_points": 0.5}, "_bound", "inconclusive"),
        (20, 20, {"max_drop_points": 5.0, "drop_on": "bound"}, "_bound", "passed"),
        (40, 0, {"max_drop_points": 0.5, "drop_on": "bound"}, "_bound", "failed"),
        (5, 0, {"max_drop_points": 0.5, "drop_on": "point"}, "", "failed"),
        (0, 5, {"max_drop_points": 0.0, "drop_on": "point"}, "", "passed"),
    ],
)
def test_a_drop_is_judged_by_its_limit(
    accepted: Accepted, lost: int, won: int, options: dict[str, object], name: str, outcome: str
) -> None:
    found = judged(accepted, limits(with_pairs(accepted, lost=lost, won=won), **options))
    assert gates(found)[f"accepted_drop_points{name}"].outcome == outcome
    assert found.exit_code == {"passed": 0, "failed": 1, "inconclusive": 4}[outcome]


def test_a_failure_says_what_changed_and_since_when(accepted: Accepted) -> None:
    lock = with_pairs(accepted, lost=40, won=0)
    versions = {**lock.versions, "ai-edge-litert": "2.2.0"}
    lock = lock.model_copy(update={"versions": versions})
    words = verdict_line(judged(accepted, lock))
    assert words.startswith("FAILED: int8.tflite: ")
    for part in (
        "40 images became wrong, 0 became right",
        f"Changed since {since_words(accepted)}: ",
        "int8.tflite is another file: SHA-256 ffffffffff -> ",
        "ai-edge-litert 2.2.0 -> ",
    ):
        assert part in words


Change = Callable[[Lock], Lock]
WORSE: list[tuple[str, Change, str, str]] = [
    ("smaller before", lambda lock: artifact(lock, bytes=100), "accepted_bytes", "failed"),
    ("smaller gzip", lambda lock: artifact(lock, gzip_bytes=99), "accepted_gzip_bytes", "failed"),
    (
        "agreed more",
        lambda lock: limits(artifact(lock, agreement=1.0, flips=0), max_agreement_drop_points=0.0),
        "accepted_agreement_drop_points",
        "failed",
    ),
    ("faster before", lambda lock: speed(lock, speedup=1000.0), "accepted_speedup", "failed"),
]


@pytest.mark.parametrize(
    ("change", "name", "outcome"), [w[1:] for w in WORSE], ids=[w[0] for w in WORSE]
)
def test_what_got_worse_fails_by_its_own_gate(
    accepted: Accepted, change: Change, name: str, outcome: str
) -> None:
    found = judged(accepted, change(accepted.lock))
    wrong = {gate.name: gate.outcome for gate in found.gates if gate.outcome != "passed"}
    # Agreement of a run that loses no answer cannot fall below one.
    if name == "accepted_agreement_drop_points" and accepted.lock.artifacts[INT8].agreement == 1:
        pytest.skip("the int8 file of this machine agrees on every image")
    assert wrong == {name: outcome}


@pytest.mark.parametrize(
    ("lost", "limit", "outcome"), [(0, 0.0, "passed"), (9, 2.0, "passed"), (10, 2.0, "failed")]
)
def test_agreement_is_held_by_whole_images(
    accepted: Accepted, lost: int, limit: float, outcome: str
) -> None:
    images, found = accepted.lock.data.images, set()
    for same in range(lost, images + 1, 7):
        before = artifact(accepted.lock, agreement=round(same / images, 6), flips=images - same)
        report = with_agreement(accepted.report, same - lost, images)
        gate = gates(judged(accepted, limits(before, max_agreement_drop_points=limit), report))
        found.add(gate["accepted_agreement_drop_points"].outcome)
    assert found == {outcome}


def with_agreement(report: Report, same: int, images: int) -> Report:
    """Return the report with another number of images that the int8 file agrees on."""
    comparisons = []
    for each in report.comparisons:
        if each.artifact.path == INT8 and each.statistics is not None:
            flips = Flips(images - same, 1 - same / images)
            statistics = replace(each.statistics, flips=flips)
            each = replace(each, agreement=same / images, statistics=statistics)
        comparisons.append(each)
    return replace(report, comparisons=tuple(comparisons))


def test_a_float_file_is_judged_where_the_recipe_asks_for_it(accepted: Accepted) -> None:
    twin = "float32.tflite"
    smaller = accepted.lock.artifacts[twin].model_copy(update={"bytes": 100})
    artifacts = {**accepted.lock.artifacts, twin: smaller}
    lock = accepted.lock.model_copy(update={"artifacts": artifacts})
    assert judged(accepted, lock).outcome == "passed", "it was made to compare with"
    measured = replace(accepted.measured, asked_twins=frozenset({twin}))
    found = judgement_of(MeasuredRun("gated", accepted.report, measured), lock, Path("l"))
    assert gates(found, twin)["accepted_bytes"].outcome == "failed"


def test_a_limit_that_is_left_out_is_not_judged(accepted: Accepted) -> None:
    found = judged(accepted, limits(artifact(accepted.lock, bytes=100)))
    assert found.outcome == "passed"


@pytest.mark.parametrize(
    ("now", "below", "above", "outcome"),
    [(1.0, 0.8, 1.3, "passed"), (0.85, 0.8, 1.3, "inconclusive"), (0.7, 0.5, 0.8, "failed")],
)
def test_a_slower_file_is_inconclusive_and_fails_by_its_whole_interval(
    accepted: Accepted, now: float, below: float, above: float, outcome: str
) -> None:
    before = accepted.lock.speed.artifacts[INT8].speedup
    times, interval = before * now, (before * below, before * above)
    comparisons = tuple(
        replace(each, speedup=times, speedup_interval=interval)
        if each.artifact.path == INT8
        else each
        for each in accepted.report.comparisons
    )
    found = judged(accepted, accepted.lock, replace(accepted.report, comparisons=comparisons))
    (gate,) = (each for each in found.gates if each.name == "accepted_speedup")
    assert (gate.outcome, gate.observed) == (outcome, times)
    assert f"{interval[0]:.2f} to {interval[1]:.2f}" in gate.reason


@pytest.mark.parametrize("options", [{"machine": "another"}, {"threads": 7}], ids=str)
def test_speed_of_another_machine_is_said_to_be_not_compared(
    accepted: Accepted, options: dict[str, object]
) -> None:
    found = judged(accepted, on(speed(accepted.lock, speedup=1000.0), **options))
    assert found.outcome == "passed"
    assert "accepted_speedup" not in gates(found)
    assert found.not_compared[0].startswith("speed-ups: accepted on the machine")
    assert "Not compared: speed-ups" in to_markdown(found)


def test_other_test_data_is_inconclusive_and_sizes_are_judged_all_the_same(
    accepted: Accepted,
) -> None:
    data = accepted.lock.data.model_copy(update={"test_sha256": OTHER, "name": "mine"})
    measured = replace(
        accepted.measured.data, test=replace(accepted.measured.data.test, sha256="e" * 64)
    )
    splits = dict(accepted.report.data.splits)
    splits["test"] = replace(splits["test"], sha256="e" * 64)
    report = replace(accepted.report, data=replace(accepted.report.data, splits=splits))
    lock = artifact(accepted.lock.model_copy(update={"data": data}), right=None, value=None)
    run = MeasuredRun("gated", report, replace(accepted.measured, data=measured))
    found = judgement_of(run, lock, Path("l"))
    assert (found.outcome, found.exit_code) == ("inconclusive", 4)
    assert [gate.name for gate in found.gates if gate.outcome != "passed"] == ["accepted_data"]
    assert found.not_compared == (
        "accuracy and agreement, as the test data is not the accepted one",
    )
    assert (
        "mine, 450 images, SHA-256 ffffffffff -> digits, 450 images, eeeeeeeeee"
        in (found.changes[-1])
    )
    assert gates(found)["accepted_bytes"].outcome == "passed"


def test_missing_and_new_files_are_named(accepted: Accepted) -> None:
    others = {**accepted.lock.artifacts, "int8.onnx": accepted.lock.artifacts[INT8]}
    missing = judged(accepted, accepted.lock.model_copy(update={"artifacts": others}))
    assert missing.exit_code == 1
    assert "int8.onnx was accepted on" in verdict_line(missing)
    assert "int8.onnx is gone" in missing.changes
    few = {"float32.tflite": accepted.lock.artifacts["float32.tflite"]}
    new = judged(accepted, accepted.lock.model_copy(update={"artifacts": few}))
    assert new.exit_code == 4
    assert "int8.tflite is not in the lock of" in verdict_line(new)


def test_another_baseline_is_named_and_does_not_fail_by_itself(accepted: Accepted) -> None:
    baseline = accepted.lock.baseline.model_copy(update={"sha256": OTHER})
    found = judged(accepted, accepted.lock.model_copy(update={"baseline": baseline}))
    assert found.outcome == "passed"
    assert found.changes[0].startswith("the baseline is another one: SHA-256 ffffffffff -> ")
    accuracy = accepted.report.baseline.value
    before = found.changes[0].partition(", accuracy ")[2]
    assert before == f"{accuracy:.2%}"
    worse = baseline.model_copy(update={"value": 0.999})
    named = judged(accepted, accepted.lock.model_copy(update={"baseline": worse})).changes[0]
    assert named.endswith(f", accuracy 99.90% -> {accuracy:.2%}")


def test_an_update_says_what_changed_and_keeps_limits_and_steady_speeds(
    accepted: Accepted, tmp_path: Path
) -> None:
    old = limits(with_pairs(accepted, lost=40, won=0), max_drop_points=3.0)
    old = speed(old, speedup=1000.0)
    twin = {"float32.tflite": AcceptedSpeed(median_us=123.0, speedup=1.0)}
    old = on(old, artifacts={**old.speed.artifacts, **twin})
    path = tmp_path / "edgecv.lock"
    found = accept(MeasuredRun("gated", accepted.report, accepted.measured), old, old.gates, path)
    assert (found.update, found.exit_code, found.outcome) == ("written", 0, "failed")
    words = verdict_line(found)
    assert words.startswith(f"ACCEPTED: written to {path}. Changed since")
    assert "40 images became wrong" in words
    new = read_lock(path)
    assert new.limits == old.limits
    assert new.speed.artifacts["float32.tflite"].median_us == 123.0, "the same file"
    assert new.speed.artifacts[INT8].speedup != 1000.0, "another file"
    assert judged(accepted, new).outcome == "passed"


def test_images_without_labels_are_judged_by_the_answers(
    accepted: Accepted, tmp_path: Path
) -> None:
    comparisons = tuple(
        replace(each, value=None, baseline_value=None, difference_points=None)
        for each in accepted.report.comparisons
    )
    report = replace(
        accepted.report,
        comparisons=comparisons,
        baseline=replace(accepted.report.baseline, value=None),  # type: ignore[type-var]
        data=replace(accepted.report.data, has_labels=False),
    )
    measured = replace(accepted.measured, data=replace(accepted.measured.data, has_labels=False))
    path = tmp_path / "edgecv.lock"
    run = MeasuredRun("plain", report, measured)
    assert accept(run, None, Limits(), path).exit_code == 0
    lock = read_lock(path)
    assert lock.limits.max_drop_points is None
    assert lock.artifacts[INT8].right is None
    asked = limits(lock, max_drop_points=1.0)
    same = judgement_of(run, asked, path)
    assert gates(same)["accepted_drop_points_bound"].outcome == "passed"
    other = judgement_of(run, artifact(asked, answers_sha256=OTHER), path)
    assert other.exit_code == 4
    assert "int8.tflite is the same file and gives other answers" in other.changes


def test_junit_counts_and_holds_what_xml_cannot(accepted: Accepted) -> None:
    dying = failed_file("bad.tflite", 'died of \x1b[31m"signal"\x00 <11> & \ud800 more')
    report = replace(accepted.report, gates=(*accepted.report.gates, dying))
    few = {"int8.onnx": accepted.lock.artifacts[INT8]}
    lock = with_pairs(accepted, lost=20, won=20)
    lock = lock.model_copy(update={"artifacts": {**lock.artifacts, **few}})
    found = judged(accepted, lock, report)
    assert found.exit_code == 3
    suite = ElementTree.fromstring(to_junit(found))[0]
    cases = suite.findall("testcase")
    assert len(cases) == len(found.gates) == int(suite.attrib["tests"])
    failures, skipped = suite.findall("testcase/failure"), suite.findall("testcase/skipped")
    assert len(failures) == int(suite.attrib["failures"]) == 2
    assert len(skipped) == int(suite.attrib["skipped"]) == 1
    assert len({case.attrib["name"] for case in cases}) == len(cases)
    assert any(
        'died of ?[31m"signal"? <11> & ? more' in each.attrib["message"] for each in failures
    )
    assert "Changed since" in (failures[0].text or "")


def test_the_comment_starts_with_what_changed_and_ends_with_what_to_do(accepted: Accepted) -> None:
    text = to_markdown(judged(accepted, with_pairs(accepted, lost=40, won=0)))
    lines = text.splitlines()
    assert lines[0] == "### ❌ edgecv gate: gated failed"
    assert lines[4].startswith("| int8.tflite | changed | failed | ")
    assert " | 40 | 0 | " in lines[4]
    assert lines[5].startswith("| float32.tflite | same | passed | ")
    assert lines[-1].startswith("- If the change is wanted: edgecv gate RUN --update")


def test_the_advice_for_few_images_names_the_limits_of_the_lock(accepted: Accepted) -> None:
    """ "Set a limit that so many can tell" did not say which, nor where."""
    lock = limits(with_pairs(accepted, lost=20, won=20), max_drop_points=0.5, drop_on="bound")
    found = judged(accepted, lock)
    assert found.outcome == "inconclusive"
    text = " ".join(advice(found))
    for name in ("max_drop_points", 'drop_on = "point"', f"[limits] of {found.lock}"):
        assert name in text


def test_the_advice_names_the_run_as_a_shell_takes_it(accepted: Accepted) -> None:
    found = replace(judged(accepted, with_pairs(accepted, lost=40, won=0)), folder="my runs/gated")
    assert "edgecv gate 'my runs/gated' --update --against edgecv.lock" in advice(found)[-1]
