"""A judgement as a comment on a pull request: the verdict first, the next steps last."""

from edgecv.acceptance.records import Judgement
from edgecv.acceptance.text import (
    advice,
    cells,
    changed_first,
    changes_sentence,
    headings,
    sentence,
)
from edgecv.evaluation.task_of import task_of
from edgecv.reports.markdown_table import markdown_table, plain_markdown

MARKS = {"failed": "❌", "inconclusive": "❔", "passed": "✅"}


def to_markdown(judgement: Judgement) -> str:
    """Return the comment: verdict, table, failed gates, changes, next steps."""
    word = "accepted" if judgement.update == "written" else judgement.outcome
    mark = MARKS[judgement.outcome]
    lines = [f"### {mark} edgecv gate: {plain_markdown(judgement.name)} {word}", ""]
    rows = [
        tuple(map(plain_markdown, cells(change, judgement))) for change in changed_first(judgement)
    ]
    lines += [*markdown_table(headings(judgement), rows), ""]
    task = task_of(judgement.report)
    for outcome in ("failed", "inconclusive"):
        found = [gate for gate in judgement.gates if gate.outcome == outcome]
        lines += [f"- {MARKS[outcome]} {plain_markdown(sentence(gate, task))}" for gate in found]
    lines += [f"- {plain_markdown(changes_sentence(judgement))}"]
    lines += [f"- Measured by {plain_markdown(each)}" for each in judgement.report.devices]
    lines += [f"- Not compared: {plain_markdown(each)}" for each in judgement.not_compared]
    next_steps = advice(judgement)
    if next_steps:
        lines += ["", "**Next**", "", *(f"- {plain_markdown(each)}" for each in next_steps)]
    return "\n".join(lines) + "\n"
