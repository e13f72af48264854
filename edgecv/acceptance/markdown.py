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
from edgecv.core.text import one_line
from edgecv.evaluation.task_of import task_of
from edgecv.reports.markdown_table import markdown_table

MARKS = {"failed": "❌", "inconclusive": "❔", "passed": "✅"}


def to_markdown(judgement: Judgement) -> str:
    """Return the comment: verdict, table, failed gates, changes, next steps."""
    word = "accepted" if judgement.update == "written" else judgement.outcome
    mark = MARKS[judgement.outcome]
    lines = [f"### {mark} edgecv gate: {_plain(judgement.name)} {word}", ""]
    rows = [tuple(map(_plain, cells(change, judgement))) for change in changed_first(judgement)]
    lines += [*markdown_table(headings(judgement), rows), ""]
    task = task_of(judgement.report)
    for outcome in ("failed", "inconclusive"):
        found = [gate for gate in judgement.gates if gate.outcome == outcome]
        lines += [f"- {MARKS[outcome]} {_plain(sentence(gate, task))}" for gate in found]
    lines += [f"- {_plain(changes_sentence(judgement))}"]
    lines += [f"- Measured by {_plain(each)}" for each in judgement.report.devices]
    lines += [f"- Not compared: {_plain(each)}" for each in judgement.not_compared]
    next_steps = advice(judgement)
    if next_steps:
        lines += ["", "**Next**", "", *(f"- {_plain(each)}" for each in next_steps)]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Escape Markdown and HTML: names come from files.

    >>> _plain("<b>@all</b> `x`\\n-> n")
    '&lt;b>&#64;all&lt;/b> &#96;x&#96; -> n'
    """
    safe = one_line(text).replace("&", "&amp;").replace("<", "&lt;")
    for letter in "@`[]*|":
        safe = safe.replace(letter, f"&#{ord(letter)};")
    return safe
