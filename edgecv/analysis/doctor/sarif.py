"""Findings as SARIF 2.1.0, which code scanning shows beside a pull request."""

import hashlib
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from edgecv import __version__
from edgecv.analysis.doctor.records import Diagnosis, Finding

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def to_sarif(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return a log of one run: a rule for each kind of finding, a result for each finding."""
    names = list(dict.fromkeys(each.name for each in diagnosis.findings))
    driver = {
        "name": "edgecv doctor",
        "version": __version__,
        "rules": [{"id": name, "name": _title(name)} for name in names],
    }
    results = [_result(each, diagnosis.path, names) for each in diagnosis.findings]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _title(name: str) -> str:
    """Return the identifier of a finding in the notation of SARIF.

    >>> _title("float-island")
    'FloatIsland'
    """
    return "".join(part.capitalize() for part in name.split("-"))


def _result(finding: Finding, path: str, names: list[str]) -> dict[str, Any]:
    text = f"{finding.where}: {finding.observed}"
    identity = "\n".join((finding.name, path, finding.where))
    uri = quote(PurePath(path).as_posix())
    return {
        "ruleId": finding.name,
        "ruleIndex": names.index(finding.name),
        "level": finding.severity,
        "message": {"text": f"{text}. Remedy: {finding.remedy}" if finding.remedy else text},
        "locations": [
            {
                # A line, without which code scanning shows nothing: of a file of bytes, the first.
                "physicalLocation": {
                    "artifactLocation": {"uri": f"file://{uri}" if uri.startswith("/") else uri},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [{"name": finding.where, "kind": "element"}],
            }
        ],
        "partialFingerprints": {"finding/v1": hashlib.sha256(identity.encode()).hexdigest()},
    }
