"""Error of each output of a file that has several: the one that is wrong is named."""

from collections.abc import Iterator, Mapping

from edgecv.analysis.doctor.records import Finding
from edgecv.core.comparison import OutputDifference
from edgecv.core.data import Outputs
from edgecv.core.plugins import Task
from edgecv.evaluation.output_differences import difference_text, output_differences, own_names

WRONG_DB = 10.0
"""Signal over error below which an output is wrong: a third of its values is error."""
REMEDY = "look for the layer that causes it among those that it is made of, below"


Answers = tuple[Outputs, Mapping[str, float | None]]
"""Outputs as a file gives them, and the scale of each that was integers."""


def output_findings(
    answers: Answers, reference: Answers, task: Task, where: str
) -> Iterator[Finding]:
    """Find the outputs that differ most from the baseline's; name the others in a note."""
    if len(answers[0].arrays) == 1:
        return
    try:
        wanted, _ = task.normalized(*_under_names_of(answers[0], reference))
        outputs, _ = task.normalized(*answers)
        found = output_differences(outputs, wanted)
    except ValueError as error:
        yield Finding("wrong-output", "error", where, str(error))
        return
    good: list[str] = []
    for each in found:
        if not _is_wrong(each):
            good.append(f"{each.name} {_decibels(each)}")
            continue
        yield Finding(
            "wrong-output",
            "error",
            f"the output {each.name}",
            f"differs from the baseline's: {difference_text(each)}",
            REMEDY,
        )
    if good:
        text = f"signal over error of the outputs: {', '.join(good)}"
        yield Finding("good-outputs", "note", where, text)


def _under_names_of(outputs: Outputs, reference: Answers) -> Answers:
    """Return the reference's answers under the names, and in the order, of a file's outputs."""
    values, scales = reference
    names = own_names(values, outputs)
    arrays = {name: values.arrays[other] for name, other in names.items()}
    return Outputs(arrays), {name: scales.get(other) for name, other in names.items()}


def _is_wrong(found: OutputDifference) -> bool:
    if found.sqnr_db is not None:
        return found.sqnr_db < WRONG_DB
    return found.largest > 0  # The baseline's are all zero, and these are not.


def _decibels(found: OutputDifference) -> str:
    return "without error" if found.sqnr_db is None else f"{found.sqnr_db:.1f} dB"
