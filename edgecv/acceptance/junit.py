"""A judgement as JUnit XML: one test case a gate, for the test pages of CI servers."""

import xml.etree.ElementTree as ElementTree

from edgecv.acceptance.records import Judgement
from edgecv.acceptance.text import changes_sentence, sentence
from edgecv.core.report import Gate
from edgecv.core.text import printable_lines
from edgecv.evaluation.task_of import task_of


def to_junit(judgement: Judgement) -> bytes:
    """Return the XML: a failed gate is a failure, an inconclusive one is skipped."""
    failed = [gate for gate in judgement.gates if gate.outcome == "failed"]
    skipped = [gate for gate in judgement.gates if gate.outcome == "inconclusive"]
    counts = {
        "tests": str(len(judgement.gates)),
        "failures": str(len(failed)),
        "errors": "0",
        "skipped": str(len(skipped)),
    }
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(
        root, "testsuite", {"name": printable_lines(f"edgecv gate {judgement.name}"), **counts}
    )
    for gate in judgement.gates:
        _case(suite, gate, judgement)
    notes = [changes_sentence(judgement)]
    notes += [f"Not compared: {each}" for each in judgement.not_compared]
    ElementTree.SubElement(suite, "system-out").text = printable_lines("\n".join(notes))
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _case(suite: ElementTree.Element, gate: Gate, judgement: Judgement) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        {
            "classname": printable_lines(f"{judgement.name}.{gate.artifact}"),
            "name": printable_lines(f"{gate.label}: {gate.name}"),
        },
    )
    message = printable_lines(sentence(gate, task_of(judgement.report)))
    if gate.outcome == "failed":
        failure = ElementTree.SubElement(case, "failure", {"message": message})
        failure.text = printable_lines(f"{message}\n{changes_sentence(judgement)}")
    elif gate.outcome == "inconclusive":
        ElementTree.SubElement(case, "skipped", {"message": message})
