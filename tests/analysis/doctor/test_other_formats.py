"""A diagnosis for other programs: SARIF, node data of Model Explorer, the page of a run."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from devices import NODE_MODULES
from refusals import refusal_of
from small_report import REPORT

from edgecv.analysis.doctor.model_explorer import with_node_data
from edgecv.analysis.doctor.records import Diagnosis, Finding, LayerError
from edgecv.analysis.doctor.sarif import to_sarif
from edgecv.analysis.doctor.text import diagnosed_file, read_diagnosis, to_json
from edgecv.reports.page.build import to_page

pytestmark = pytest.mark.quick

SCHEMA = NODE_MODULES / "@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json"
HOSTILE = "a b<script>\n"
DIAGNOSIS = Diagnosis(
    "runs/my run/int8.tflite",
    (
        Finding("bad-scale", "error", HOSTILE, "its scale is wrong", "export again"),
        Finding("bad-scale", "error", "conv_2", "its scale is wrong"),
        Finding("processor", "note", "this machine", "it has AVX2"),
    ),
    (LayerError("conv_1/Relu", "conv_1", 33.917, 40.0, 1.0), LayerError(HOSTILE, "", 9.5, 34, 0.5)),
)


def test_sarif_has_a_rule_for_each_kind_and_a_result_for_each_finding() -> None:
    (run,) = to_sarif(DIAGNOSIS)["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == ["bad-scale", "processor"]
    assert [each["level"] for each in run["results"]] == ["error", "error", "note"]
    assert [rules[each["ruleIndex"]] for each in run["results"]] == [
        each.name for each in DIAGNOSIS.findings
    ]
    first = run["results"][0]
    assert first["message"]["text"].endswith("its scale is wrong. Remedy: export again")
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "runs/my%20run/int8.tflite"
    prints = [each["partialFingerprints"]["finding/v1"] for each in run["results"]]
    assert len(set(prints)) == 3


@pytest.mark.skipif(not SCHEMA.exists(), reason="npm install @microsoft/jest-sarif")
@pytest.mark.parametrize("path", ["int8.tflite", "/tmp/int8.tflite"])
def test_sarif_is_of_its_schema(path: str) -> None:
    schema: Any = json.loads(SCHEMA.read_text("utf-8"))
    found = to_sarif(Diagnosis(path, DIAGNOSIS.findings))
    jsonschema.validators.validator_for(schema)(schema).validate(found)


def test_node_data_have_the_error_of_each_output(tmp_path: Path) -> None:
    path = tmp_path / "nodes.json"
    assert with_node_data(DIAGNOSIS, path) == DIAGNOSIS
    found = json.loads(path.read_text())
    assert found["results"] == {"conv_1/Relu": {"value": 33.92}, HOSTILE: {"value": 9.5}}
    assert [each["stop"] for each in found["gradient"]] == [0.0, 0.5, 1.0]
    without = with_node_data(Diagnosis("int8.tflite", ()), tmp_path / "none.json")
    (note,) = without.findings
    assert (note.where, note.severity) == ("--model-explorer", "note")
    assert not (tmp_path / "none.json").exists()


def test_a_diagnosis_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """Every metric was called an accuracy."""
    path, table = tmp_path / "before.json", json.loads(to_json(DIAGNOSIS))
    table["fix"] = {
        "recipe": "a.toml",
        "finding": "bad-scale",
        "agreement_before": 0.5,
        "agreement_after": 0.99,
        "accuracy_before": 0.6,
        "accuracy_after": None,
        "time_ratio": 1.0,
        "speed": "not distinguishable",
    }
    path.write_text(json.dumps(table))
    fix = read_diagnosis(path).fix
    assert fix is not None
    assert (fix.metric, fix.value_before, fix.value_after, fix.is_fraction) == (
        "accuracy",
        0.6,
        None,
        True,
    )
    now = replace(DIAGNOSIS, fix=replace(fix, metric="mAP"))
    path.write_text(to_json(now))
    assert read_diagnosis(path) == now
    table["fix"] = []
    path.write_text(json.dumps(table))
    assert "is no diagnosis" in refusal_of(lambda: read_diagnosis(path))
    path.write_text("[")
    assert "is no diagnosis" in refusal_of(lambda: read_diagnosis(path))


def test_the_page_of_a_run_shows_it(tmp_path: Path) -> None:
    path = tmp_path / "diagnosis.json"
    path.write_text(to_json(DIAGNOSIS))
    assert read_diagnosis(path) == DIAGNOSIS
    text = to_page(REPORT, diagnoses=[diagnosed_file(read_diagnosis(path))])
    for shown in ("Diagnosis by edgecv doctor", "33.9", "6.1", "1.000", "a b&lt;script&gt;"):
        assert shown in text
    path.write_text("{}")
    assert "is no diagnosis" in refusal_of(lambda: read_diagnosis(path))
