"""What a run that passed does not prove, and which of its files is said to be best."""

from dataclasses import replace

import pytest
from small_report import ARTIFACT, COMPARISON, REPORT, STATISTICS, TWIN
from test_verdict import passed

from edgecv.analysis.deploy.proof import other_kernels
from edgecv.core.comparison import Comparison, Latency
from edgecv.core.report import Deployment, Gate, Report
from edgecv.datasets.decoded import PERHAPS_TRAINED_ON
from edgecv.reports.caveats import caveats, choice, meaning
from edgecv.reports.page.build import to_page
from edgecv.reports.verdict import verdict_line

pytestmark = pytest.mark.quick

SHIPPED = "the files may be shipped"


def test_images_that_the_model_may_know_stand_in_the_verdict() -> None:
    """The page of a deployment said that its files may be shipped, and far below why not."""
    report = passed(-1.9)
    assert (meaning(report), caveats(report)) == (f"every limit holds, {SHIPPED}", [])
    known = replace(report, data=replace(report.data, notes=("a", PERHAPS_TRAINED_ON)))
    page = to_page(known)
    assert SHIPPED not in page
    assert "may have been trained on these images" in meaning(known)
    assert page.index(PERHAPS_TRAINED_ON) < page.index("</section>")
    failed = replace(known, outcome="failed")
    assert "not to be shipped" in meaning(failed)


def test_a_preprocessing_that_is_not_the_best_stands_in_the_verdict() -> None:
    """PASSED at 25% stood alone: that other pixels score 64% had scrolled away."""
    note = "--preprocess -1..1 was asked for, and 0..1 scores better: 21.1% as -1..1, 64.4% as 0..1"
    report = replace(passed(-1.9), notes=(note,))
    assert note in verdict_line(report)
    assert meaning(report).endswith("is --preprocess right?")
    assert SHIPPED not in to_page(report)


def test_some_files_may_be_proven_and_others_not() -> None:
    report = passed(-2.17)
    (own,) = report.comparisons
    other = replace(own, artifact=replace(ARTIFACT, path="other.tflite"))
    assert "test more before shipping" in meaning(report)
    both = replace(report, comparisons=(own, other))  # No limit on the drop of the other.
    assert meaning(both).endswith("prove it for some of the files")


def test_each_file_says_if_its_loss_is_proven() -> None:
    few, enough = passed(-2.17), passed(-1.9)
    assert "? not proven" in to_page(few)
    assert "? not proven" not in to_page(enough)


def file(name: str, size: int, us: float | None) -> Comparison:
    latency = None if us is None else Latency(us, us, 1, 100)
    return replace(COMPARISON, artifact=replace(ARTIFACT, path=name, bytes=size), latency=latency)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ([file("a", 100, 9.0)], ""),
        ([file("a", 100, 9.0), file("b", 200, 10.0)], "a is the smallest and the fastest here"),
        (
            [file("a", 100, 9.0), file("b", 200, 8.0), file("c", 300, 8.5)],
            "a is the smallest, b is the fastest here",
        ),
        ([file("a", 100, 9.0), file("b", 200, None)], "a is the smallest"),
    ],
)
def test_the_best_of_several_files_is_named(files: list[Comparison], sentence: str) -> None:
    report = replace(REPORT, outcome="passed", comparisons=(TWIN, *files), gates=())
    assert choice(report).endswith(sentence)
    assert sentence in to_page(report)


def slow(name: str) -> Comparison:
    return replace(file(name, 100, 9.0), speedup=0.48, speedup_interval=(0.47, 0.49))


def test_files_that_are_slower_than_floats_are_not_called_fast() -> None:
    """A newcomer read "the fastest here" of two files that took twice as long as the floats."""
    report = replace(REPORT, outcome="passed", comparisons=(TWIN, slow("a"), slow("b")), gates=())
    assert "none is as fast as its float32 file" in meaning(report)
    assert "fastest" not in choice(report)
    sentence = "Slower than the float32 file of the same format: a, b; edgecv doctor FILE"
    assert sentence in verdict_line(report)
    one = replace(report, comparisons=(TWIN, slow("a"), file("b", 200, 8.0)))
    assert (meaning(one), "b is the fastest here" in choice(one)) == (
        f"every limit holds, {SHIPPED}",
        True,
    )


def test_every_file_that_is_not_proven_is_named() -> None:
    """Two files were as open as each other, and one alone was named."""
    report = passed(-2.17)
    (own,), (gate,) = report.comparisons, [g for g in report.gates if g.name == "max_drop_points"]
    other = replace(own, artifact=replace(ARTIFACT, path="other.tflite"))
    gates = (*report.gates, replace(gate, artifact="other.tflite"))
    found = verdict_line(replace(report, comparisons=(own, other), gates=gates))
    assert "points, " in found.partition("Not proven: ")[2].partition(" (95% interval)")[0]


def test_a_file_that_holds_no_limit_is_not_chosen() -> None:
    files = (file("a", 100, 9.0), file("b", 200, 10.0), file("c", 300, 10.5))
    gates = (Gate("max_bytes", "a", 50, 100, "failed"),)
    report = replace(REPORT, comparisons=files, gates=gates)
    assert choice(report) == (
        "Of the files that hold the limits b is the smallest and the fastest here"
    )


def deployed(value: float, kernels: str = "builtin") -> Report:
    deployment = Deployment("c", "int8.tflite", "C99", 10, 10, 10, 0.0, kernels=kernels)
    comparison = replace(COMPARISON, value=value, statistics=STATISTICS)
    return replace(REPORT, comparisons=(comparison,), deployment=deployment)


def test_another_value_by_other_kernels_is_explained() -> None:
    """90.0% in the report of a run and 88.3% in that of its deployment, without a word."""
    (note,) = other_kernels(deployed(0.7), REPORT, "int8.tflite")
    assert "accuracy 70.00% with LiteRT's builtin kernels" in note
    assert "80.00% with xnnpack kernels" in note


def test_the_card_of_a_device_has_what_only_it_can_say() -> None:
    deployment = Deployment(
        "c", "int8.tflite", "C99", 10, 9, 8, 0.1, memory_bytes=21_248, flash_bytes=30_746
    )
    page = to_page(replace(REPORT, deployment=deployment))
    for text in ("9 of 10 images", "21,248 bytes", "30,746 bytes"):
        assert f"<dd><strong>{text}</strong></dd>" in page


def test_equal_values_other_images_and_files_alone_need_no_word() -> None:
    splits = {"test": replace(REPORT.data.splits["test"], images=5)}
    other = replace(REPORT, data=replace(REPORT.data, splits=splits))
    for report, run in (
        (deployed(0.8), REPORT),
        (deployed(0.7, ""), REPORT),
        (deployed(0.7), other),
        (deployed(0.7), None),
    ):
        assert other_kernels(report, run, "int8.tflite") == ()
