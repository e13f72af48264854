"""A report in a notebook: the figures of report.json, every text escaped."""

from dataclasses import replace
from html import escape
from html.parser import HTMLParser

import pytest

import edgecv.api  # noqa: F401 - registers what a notebook shows
from edgecv.acceptance.records import Judgement, Since
from edgecv.analysis.bench.records import BenchResult, Timing
from edgecv.analysis.doctor.records import Diagnosis, Finding
from edgecv.core.artifact import Artifact, TensorFacts
from edgecv.core.comparison import Comparison, Latency
from edgecv.core.report import Baseline, DataFacts, Gate, Report, SplitFacts

pytestmark = pytest.mark.quick

HOSTILE = "<script>alert('&')</script>"
TENSOR = TensorFacts("image", (1, 8, 8, 1), "uint8")
COMPARISON = Comparison(
    Artifact("int8.tflite", "tflite", "int8", 12_345, 11_222, "0" * 64),
    "litert", False, "accuracy", 0.9876, 0.9911, -0.35, 0.9954, 0.1, 3.9, 2.5, (2.4, 2.6),
    Latency(45.6, 50.1, 1, 1000), TENSOR, TENSOR,
)  # fmt: skip
REPORT = Report(
    name="cnn",
    recipe={},
    environment={},
    outcome="failed",
    data=DataFacts("arrays", ("a", "b"), {"test": SplitFacts(1500, "0" * 64)}, ("a note",)),
    baseline=Baseline("baseline.keras", 1000, "accuracy", 0.9911),
    comparisons=(COMPARISON,),
    gates=(Gate("max_drop_points", "int8.tflite", 0.2, 0.35, "failed"),),
)


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attributes: object) -> None:
        self.seen.add(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def shown(record: object) -> str:
    html = record._repr_html_()  # type: ignore[attr-defined]
    assert isinstance(html, str)
    assert "script" not in Tags(html).seen
    return html


def test_a_report_shows_verdict_artifacts_and_figures() -> None:
    html = shown(REPORT)
    for text in ("cnn: arrays, 1,500 test images", "FAILED: int8.tflite: points lost 0.35",
                 "98.76%", "-0.35", "99.54%", "12,345", "11,222", "45.6", "50.1",
                 "2.50 (2.40 to 2.60)", "99.11%", "a note"):  # fmt: skip
        assert escape(text) in html


def test_a_report_speaks_of_parameters() -> None:
    html = shown(replace(REPORT, outcome="passed", gates=()))
    assert "set one with max_drop=POINTS" in html


def test_every_text_is_escaped() -> None:
    artifact = replace(COMPARISON.artifact, path=HOSTILE)
    data = replace(REPORT.data, name=HOSTILE, notes=(HOSTILE,))
    report = replace(
        REPORT,
        name=HOSTILE,
        data=data,
        notes=(HOSTILE,),
        comparisons=(replace(COMPARISON, artifact=artifact),),
        gates=(Gate("runs", HOSTILE, 0, None, "failed", HOSTILE),),
        baseline=Baseline(HOSTILE, 1, "accuracy", None),
    )
    assert shown(report).count(escape(HOSTILE)) >= 7


def test_a_report_without_baseline_and_labels() -> None:
    bare = replace(
        COMPARISON, value=None, baseline_value=None, difference_points=None, agreement=None,
        latency=None, speedup=None, speedup_interval=None,
    )  # fmt: skip
    assert "unknown" in shown(replace(REPORT, baseline=None, comparisons=(bare,), gates=()))


def test_the_other_records_show_themselves() -> None:
    timing = Timing(HOSTILE, Latency(45.6, 50.1, 1, 1000), 1.0, (1.0, 1.0), "first")
    bench = BenchResult(1, 1, (0,), 2.0, (timing,), {"bad.tflite": HOSTILE}, (HOSTILE,))
    assert "45.6" in shown(bench)
    finding = Finding("float-island", "warning", HOSTILE, "it is slow", "quantize it")
    assert "float-island" in shown(Diagnosis(HOSTILE, (finding,)))
    judgement = Judgement(
        "cnn", "edgecv.lock", Since("2026-01-01", None), "passed", (), (), (), (HOSTILE,), REPORT
    )
    assert "nothing is worse" in shown(judgement)
