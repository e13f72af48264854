"""The error of each layer as node data, which Model Explorer lays over the graph of a file."""

from typing import Any

from edgecv.analysis.doctor.records import Diagnosis
from edgecv.core.errors import InputError

GRADIENT = ((0.0, "#c62828"), (0.5, "#f9a825"), (1.0, "#2e7d32"))
"""Colours from the worst layer of a file to its best."""


def to_node_data(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return the signal over error of each operator in dB, by the name of its output.

    Raises InputError where no layers were compared.
    """
    if not diagnosis.layers:
        raise InputError(
            "--model-explorer",
            "no layers were compared",
            accepted="a file with the model that it was made of and images",
            remedy="give --baseline and --data, or a file in the folder of its run",
        )
    return {
        "results": {each.name: {"value": round(each.sqnr_db, 2)} for each in diagnosis.layers},
        "gradient": [{"stop": stop, "bgColor": colour} for stop, colour in GRADIENT],
    }
