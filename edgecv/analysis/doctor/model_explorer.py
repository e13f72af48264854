"""The error of each layer as node data, which Model Explorer lays over the graph of a file."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from edgecv.analysis.doctor.records import Diagnosis, Finding
from edgecv.system.storage import write_json

GRADIENT = ((0.0, "#c62828"), (0.5, "#f9a825"), (1.0, "#2e7d32"))
"""Colours from the worst layer of a file to its best."""


def to_node_data(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return the signal over error of each operator in dB, by the name of its output."""
    return {
        "results": {each.name: {"value": round(each.sqnr_db, 2)} for each in diagnosis.layers},
        "gradient": [{"stop": stop, "bgColor": colour} for stop, colour in GRADIENT],
    }


def with_node_data(diagnosis: Diagnosis, path: Path) -> Diagnosis:
    """Write the node data of a diagnosis; where no layers were compared, a note says so."""
    if not diagnosis.layers:
        reason = "no layers were compared: the findings say why, and no node data were written"
        note = Finding("model-explorer", "note", "--model-explorer", reason)
        return replace(diagnosis, findings=(*diagnosis.findings, note))
    write_json(path, to_node_data(diagnosis))
    return diagnosis
