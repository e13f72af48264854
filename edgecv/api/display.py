"""HTML of each record for notebooks, registered when ``edgecv.api`` is imported."""

from edgecv.acceptance import text as gate_text
from edgecv.acceptance.records import Judgement
from edgecv.analysis.bench import BenchResult
from edgecv.analysis.bench import text as bench_text
from edgecv.analysis.doctor import text as doctor_text
from edgecv.analysis.doctor.records import Diagnosis
from edgecv.analysis.inspection import text as inspection_text
from edgecv.api.parameter_names import in_parameters
from edgecv.core.display import to_html
from edgecv.core.report import Report
from edgecv.formats.contents import Inspection
from edgecv.reports.html import (
    escaped,
    html_block,
    html_list,
    html_table,
    html_verdict,
    report_html,
)
from edgecv.reports.verdict import verdict_line


@to_html.register
def _report(report: Report) -> str:
    return report_html(report, in_parameters(verdict_line(report)))


@to_html.register
def _judgement(judgement: Judgement) -> str:
    rows = [gate_text.cells(each, judgement) for each in gate_text.changed_first(judgement)]
    return html_block(
        html_table(judgement.title, gate_text.headings(judgement), rows),
        html_verdict(judgement.outcome, gate_text.verdict_line(judgement)),
        html_list("Not compared", judgement.not_compared),
    )


@to_html.register
def _bench(bench: BenchResult) -> str:
    headings, *rows = bench_text.to_lines(bench)
    failures = [f"{path}: {reason}" for path, reason in bench.failures.items()]
    return html_block(
        html_table(bench_text.how(bench), headings, rows),
        html_list("Not timed", failures),
        html_list("Noise", bench.warnings),
    )


@to_html.register
def _diagnosis(diagnosis: Diagnosis) -> str:
    return _as_written(doctor_text.to_text(diagnosis))


@to_html.register
def _inspection(inspection: Inspection) -> str:
    return _as_written(inspection_text.to_text(inspection))


def _as_written(text: str) -> str:
    return f"<pre>{escaped(text)}</pre>"
