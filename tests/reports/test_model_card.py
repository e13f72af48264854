"""A model card: metadata that hubs read, figures of the report, names as text."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from small_report import COMPARISON, REPORT

from edgecv.cli import app
from edgecv.core.report import Report
from edgecv.core.text import one_line
from edgecv.reports.model_card import to_card


def metadata(card: str) -> dict[str, Any]:
    start, front, _ = card.split("---\n", 2)
    assert start == ""
    found = yaml.safe_load(front)
    assert isinstance(found, dict)
    return found


def test_the_metadata_have_the_figures_of_report_json(
    main_report: Report, output: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert app(["card", str(output / "main")], standalone_mode=False) == 0
    found = metadata(capfd.readouterr().out)
    table = json.loads((output / "main" / "report.json").read_text())
    assert found["pipeline_tag"] == "image-classification"
    assert found["tags"] == ["edgecv", "tflite", "onnx", "int8"]
    (index,) = found["model-index"]
    assert index["name"] == "main"
    files = [each for each in table["comparisons"] if not each["is_twin"]]
    for each, result in zip(files, index["results"], strict=True):
        assert result["dataset"]["split"] == "test"
        name = f"accuracy of {each['artifact']['path']}"
        first, *others = result["metrics"]
        assert first == {"type": "accuracy", "value": each["value"], "name": name}
        assert [one["value"] for one in others] == [one["value"] for one in each["further_metrics"]]


def test_limits_intervals_and_a_program_stand_below(main_report: Report) -> None:
    card = to_card(main_report)
    for text in ("PASSED", "95% score interval", "## Limits", "import onnxruntime", "[baseline]"):
        assert text in card


@pytest.mark.quick
@given(
    st.sampled_from(["# b\n---\n# c", "<script>", "a: b: c", "```\n# d", "@all [x](y)"])
    | st.text(min_size=1, max_size=40)
)
def test_names_are_text(name: str) -> None:
    artifact = replace(COMPARISON.artifact, path=name, notes=(name,))
    report = replace(
        REPORT,
        name=name,
        notes=(name,),
        recipe={**REPORT.recipe, "data": {"source": name}, "export": []},
        data=replace(REPORT.data, name=name, classes=(name, name)),
        comparisons=(replace(COMPARISON, artifact=artifact),),
    )
    card, usual = to_card(report), to_card(replace(REPORT, recipe=report.recipe))
    assert metadata(card)["model-index"][0]["name"] == one_line(name)
    text, inside = [], False
    for line in card.split("---\n", 2)[2].split("\n"):
        inside ^= line.startswith("```")
        text += [] if inside else [line]
    assert not inside
    headings = [line.split(" ")[0] for line in text if line.startswith("#")]
    assert headings == ["#"] + ["##"] * (len(headings) - 1)
    assert "<script" not in "\n".join(text)
    assert len(headings) >= len([line for line in usual.split("\n") if line.startswith("## ")])


@pytest.mark.quick
def test_a_model_without_labels_has_no_metrics() -> None:
    found = metadata(to_card(replace(REPORT, comparisons=(replace(COMPARISON, value=None),))))
    assert set(found) == {"tags", "pipeline_tag"}
