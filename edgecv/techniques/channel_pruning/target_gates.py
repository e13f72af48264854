"""The targets of channel pruning as limits on the finished files."""

from collections.abc import Sequence

from edgecv.core.comparison import Comparison
from edgecv.core.costs import ModelCost
from edgecv.core.errors import InputError
from edgecv.core.plugins import Exporter
from edgecv.core.report import Gate
from edgecv.evaluation.gates import latency_gate, most_gate, speed_gate
from edgecv.techniques.channel_pruning.targets import Targets


def check_is_written(
    targets: Targets, file_format: str, exports: Sequence[Exporter], where: str
) -> None:
    """Raise InputError if no file is written that a measured target could be seen in."""
    kinds = {(exporter.format, exporter.precision) for exporter in exports}
    for option, precision in (
        ("int8_bytes", "int8"),
        ("arena_bytes", "int8"),
        ("latency_us", targets.precision),
        ("speedup", targets.precision),
    ):
        if getattr(targets, option) and (file_format, precision) not in kinds:
            raise InputError(
                where,
                f'"{option}" is of an {precision} {file_format} file, and none is written',
                remedy=f"ask for {precision} as {file_format}, or change runtime or precision",
            )


def target_gates(
    targets: Targets,
    file_format: str,
    comparisons: Sequence[Comparison],
    after: ModelCost | None,
) -> list[Gate]:
    """Return the gates that hold the finished files to the targets.

    ``after``: the costs of the compressed model, where they are known.
    """
    found: list[Gate] = []
    if after is not None and targets.macs:
        found.append(most_gate("macs", "model", targets.macs, after.macs))
    if after is not None and targets.parameters:
        found.append(most_gate("parameters", "model", targets.parameters, after.parameters))
    for each in comparisons:
        artifact = each.artifact
        if each.is_twin or artifact.format != file_format:
            continue
        if targets.int8_bytes and artifact.precision == "int8":
            found.append(most_gate("int8_bytes", artifact.path, targets.int8_bytes, artifact.bytes))
        if targets.speedup and artifact.precision == targets.precision:
            found.append(speed_gate(each, targets.speedup))
        if targets.latency_us and artifact.precision == targets.precision:
            found.append(latency_gate(each, targets.latency_us))
    return found
