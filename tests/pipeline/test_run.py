"""The main job end to end, on real digits: what is written, what it says, what is reused."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgecv
from edgecv.core.errors import InputError
from edgecv.core.events import Event
from edgecv.core.registry import EXPORTERS
from edgecv.core.report import Report
from edgecv.evaluation.tasks.classification.training import ClassHead
from edgecv.pipeline.export import planned_exports
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.run import run
from edgecv.system.storage import Store, check_seal

RUN_FILES = {
    "baseline.keras",
    "confusion.png",
    "curves.png",
    "float32.onnx",
    "float32.tflite",
    "int8.onnx",
    "int8.tflite",
    "labels.txt",
    "manifest.json",
    "recipe.toml",
    "reliability.png",
    "report.html",
    "report.json",
    "report.md",
    "worst.png",
}


@pytest.fixture(scope="module")
def report(main_report: Report) -> Report:
    return main_report


@pytest.fixture
def copied(report: Report, output: Path, tmp_path: Path) -> Path:
    """Return a copy of the run that a test may change."""
    return Path(shutil.copytree(output / "main", tmp_path / "copied"))


def noise(path: Path, *, test: int = 30) -> Path:
    """Write images of ten classes that say nothing: other ones each time."""
    random = np.random.default_rng()
    images = random.integers(0, 256, (90 + test, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(90 + test) % 10
    train, rest = slice(0, 90), slice(90, None)
    np.savez(
        path, x_train=images[train], y_train=labels[train], x_test=images[rest], y_test=labels[rest]
    )
    return path


def test_a_run_directory_holds_all_that_was_promised(report: Report, output: Path) -> None:
    folder = output / "main"
    pictures = {each.flips_picture for each in report.comparisons if each.flips_picture}
    gallery = {"gallery.json"} if pictures else set()
    assert {path.name for path in folder.iterdir()} == RUN_FILES | pictures | gallery
    check_seal(folder)
    assert (folder / "labels.txt").read_text().split() == list("0123456789")
    assert edgecv.load_report(folder) == report
    assert "PASSED" in (folder / "report.md").read_text()


def test_the_report_has_the_names_that_other_programs_read(report: Report, output: Path) -> None:
    table = json.loads((output / "main" / "report.json").read_text())
    assert set(table) >= {
        "schema_version", "name", "recipe", "environment", "outcome", "data", "baseline",
        "comparisons", "gates",
    }  # fmt: skip
    assert set(table["data"]["splits"]) == {"train", "calibration", "validation", "test"}
    assert set(table["baseline"]) >= {"path", "parameters", "metric", "value"}
    comparison = table["comparisons"][0]
    assert set(comparison) >= {
        "artifact", "runtime", "is_twin", "metric", "value", "baseline_value",
        "difference_points", "agreement", "size_ratio", "speedup", "latency",
    }  # fmt: skip
    assert set(comparison["artifact"]) >= {
        "path", "format", "precision", "bytes", "gzip_bytes", "sha256",
    }  # fmt: skip
    assert set(comparison["latency"]) >= {"median_us", "p95_us", "threads", "runs"}
    assert set(table["gates"][0]) >= {"name", "limit", "observed", "outcome"}


def test_every_artifact_is_proven_against_the_original(report: Report) -> None:
    by_path = {each.artifact.path: each for each in report.comparisons}
    assert set(by_path) == {"float32.tflite", "int8.tflite", "float32.onnx", "int8.onnx"}
    for name in ("float32.tflite", "float32.onnx"):
        assert by_path[name].is_twin
        assert by_path[name].max_probability_difference < 1e-4  # type: ignore[operator]
        assert by_path[name].agreement == 1.0
    for name in ("int8.tflite", "int8.onnx"):
        comparison = by_path[name]
        assert comparison.input.type == ("int8" if name.endswith("tflite") else "uint8")
        assert comparison.output.type in ("int8", "uint8")
        assert comparison.size_ratio > 3  # type: ignore[operator]
        assert comparison.agreement > 0.9  # type: ignore[operator]
        assert comparison.difference_points == pytest.approx(
            100 * (comparison.value - report.baseline.value)  # type: ignore[union-attr]
        )


def test_two_runs_give_the_same_bytes(report: Report, tmp_path: Path) -> None:
    again = run(CompressOptions(data="digits", epochs=3, name="again").to_recipe(), Store(tmp_path))
    assert {each.artifact.path: each.artifact.sha256 for each in again.comparisons} == {
        each.artifact.path: each.artifact.sha256 for each in report.comparisons
    }


def test_a_second_run_converts_and_predicts_nothing_again(report: Report, output: Path) -> None:
    events: list[Event] = []
    recipe = CompressOptions(data="digits", epochs=3, name="second").to_recipe()
    run(recipe, Store(output), on_event=events.append)
    said = [event.message for event in events if event.stage in ("export", "baseline")]
    assert sum("stored" in message for message in said) == len(said) == 5


def test_a_name_is_used_once_unless_forced(report: Report, output: Path) -> None:
    recipe = CompressOptions(data="digits", epochs=3, name="main").to_recipe()
    before = (output / "main" / "report.json").stat().st_mtime_ns
    with pytest.raises(InputError, match="--force"):
        run(recipe, Store(output))
    assert (output / "main" / "report.json").stat().st_mtime_ns == before


def test_a_folder_that_is_not_a_run_is_never_replaced(output: Path) -> None:
    mine = output / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("precious")
    recipe = CompressOptions(data="digits", epochs=3, name="mine").to_recipe()
    with pytest.raises(InputError, match="not a run of edgecv"):
        run(recipe, Store(output), force=True)
    assert (mine / "thesis.txt").read_text() == "precious"


def test_a_gate_that_fails_is_an_outcome_and_the_run_is_kept(
    report: Report, output: Path, tmp_path: Path
) -> None:
    model, data = output / "main" / "baseline.keras", noise(tmp_path / "noise.npz", test=200)
    flags = CompressOptions(
        model=str(model), data=str(data), name="noise", formats=("tflite",), max_drop=0.0,
        max_size="1KB",
    )  # fmt: skip
    failed = run(flags.to_recipe(), Store(output))
    assert failed.outcome == "failed"
    gates = {gate.name: gate for gate in failed.gates}
    drop = -next(
        each.difference_points
        for each in failed.comparisons
        if not each.is_twin  # type: ignore[operator, misc]
    )
    assert gates["max_drop_points"].outcome == ("failed" if drop > 1e-9 else "passed")
    assert gates["max_bytes"].outcome == "failed"
    assert (output / "noise" / "report.json").exists()


def test_more_calibration_images_than_there_are(output: Path) -> None:
    recipe = CompressOptions(data="digits", epochs=3, name="many").to_recipe()
    exports = tuple(each.model_copy(update={"calibration_images": 5000}) for each in recipe.exports)
    with pytest.raises(InputError, match=r"5000 asked for; accepted: up to \d+ with digits"):
        run(recipe.replace(exports=exports), Store(output))
    assert not (output / "many").exists()


def test_a_model_file_goes_through_the_same_job(report: Report, output: Path) -> None:
    model = output / "main" / "baseline.keras"
    result = edgecv.compress(
        model, data="digits", quantize="none", name="own", output=output, formats=["tflite"]
    )
    (twin,) = result.comparisons
    assert twin.artifact.sha256 == report.comparisons[0].artifact.sha256
    assert result.baseline.parameters == 122_570  # type: ignore[union-attr]


def test_a_model_of_other_classes_is_refused(output: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    path = tmp_path / "three.npz"
    images = random.integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(60) % 3
    np.savez(path, x_train=images[:30], y_train=labels[:30], x_test=images[30:], y_test=labels[30:])
    model = output / "main" / "baseline.keras"
    with pytest.raises(InputError, match=r"gives 10 numbers for an image, and .*3 classes"):
        edgecv.compress(model, data=path, output=output, name="three")


@pytest.mark.parametrize("precision", ["float16", "dynamic", "int16x8"])
def test_the_other_precisions(precision: str, output: Path) -> None:
    recipe = CompressOptions(
        data="digits", epochs=3, quantize=precision, formats=("tflite",)
    ).to_recipe()
    report = run(recipe, Store(output))
    candidate = next(each for each in report.comparisons if not each.is_twin)
    assert candidate.artifact.precision == precision
    assert candidate.agreement > 0.9  # type: ignore[operator]
    assert report.outcome == "passed"


def test_a_twin_stands_before_its_candidates_and_only_once() -> None:
    recipe = CompressOptions(data="digits", formats=("tflite",)).to_recipe()
    tflite = EXPORTERS.classes["tflite"]
    exports = tuple(tflite(precision=each) for each in ("int8", "float32", "float16"))
    names = [each.name for each in planned_exports(recipe.replace(exports=exports))]
    assert names == ["float32.tflite", "int8.tflite", "float16.tflite"]


@pytest.mark.quick
def test_a_float32_file_is_packed_as_its_own_table_says() -> None:
    """The last export of a format decided how its float32 file is packed."""
    tflite = EXPORTERS.classes["tflite"]
    asked = tflite(precision="float32", pack="off")
    recipe = CompressOptions(data="digits", formats=("tflite",)).to_recipe()

    def packed(*exports: Any) -> str | None:
        planned = planned_exports(recipe.replace(exports=exports))
        return next(each.exporter.pack for each in planned if each.is_twin)

    others = tflite(precision="int8", pack="full"), tflite(precision="float16", pack="keep-names")
    assert packed(asked, *others) == packed(*others, asked) == "off"
    assert packed(*others) == "full"


def test_validate_measures_the_same_accuracies(report: Report, output: Path) -> None:
    again = edgecv.validate(output / "main")
    assert again.outcome == "passed"
    assert {each.artifact.path: each.value for each in again.comparisons} == {
        each.artifact.path: each.value for each in report.comparisons
    }
    assert again.baseline.value == report.baseline.value  # type: ignore[union-attr]


def test_the_report_says_which_images_make_the_difference(report: Report) -> None:
    images = report.data.splits["test"].images
    for each in report.comparisons:
        assert each.statistics is not None
        accuracy, flips = each.statistics.accuracy, each.statistics.flips
        assert accuracy is not None
        assert (len(flips.wins), len(flips.losses)) == (accuracy.wins, accuracy.losses)
        points = (accuracy.wins - accuracy.losses) / images * 100
        assert each.difference_points == pytest.approx(points)
        assert accuracy.no_worse.margin_points == 5.0  # What the recipe allows.
        assert each.agreement == pytest.approx(1 - flips.fraction)


def test_validate_holds_limits_of_its_own(report: Report, output: Path) -> None:
    again = edgecv.validate(
        output / "main",
        baseline=output / "main" / "float32.onnx",
        max_size="1KB",
        min_agreement="1%",
        min_speedup=0.01,
    )
    found = {(gate.name, gate.artifact): gate.outcome for gate in again.gates}
    for name in ("int8.tflite", "int8.onnx"):
        assert found["max_bytes", name] == "failed"
        assert found["min_agreement", name] == found["min_speedup", name] == "passed"
    assert not any(gate.name == "max_bytes" and "float32" in gate.artifact for gate in again.gates)


def test_a_run_of_twins_alone_is_held_to_limits_by_validate(output: Path) -> None:
    recipe = CompressOptions(
        data="digits", epochs=3, name="twins", quantize="none", formats=("tflite",)
    )
    run(recipe.to_recipe(), Store(output))
    again = edgecv.validate(
        output / "twins", baseline=output / "twins" / "float32.tflite", max_size="1KB"
    )
    assert [gate.outcome for gate in again.gates if gate.name == "max_bytes"] == ["failed"]


def test_a_recipe_that_is_run_on_another_machine_does_not_judge_its_latency(output: Path) -> None:
    recipe = CompressOptions(
        data="digits", epochs=3, name="elsewhere", formats=("tflite",), max_latency="1000ms"
    ).to_recipe()
    moved = recipe.gates.model_copy(update={"latency_machine": "0123456789ab"})
    report = run(recipe.replace(gates=moved), Store(output))
    (gate,) = [gate for gate in report.gates if gate.name == "max_latency_us"]
    assert (report.outcome, gate.outcome) == ("inconclusive", "inconclusive")
    assert "machine 0123456789ab" in gate.reason


def test_validate_of_a_changed_run_is_refused(copied: Path) -> None:
    edgecv.load_report(copied)
    path = copied / "int8.tflite"
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="SHA-256 differs"):
        edgecv.validate(copied)


def test_validate_of_a_run_and_one_of_its_files_is_refused(copied: Path) -> None:
    with pytest.raises(InputError, match=r"int8\.tflite is given twice"):
        edgecv.validate([copied, copied / "int8.tflite"])


def test_validate_of_two_runs_at_once_is_refused(copied: Path, output: Path) -> None:
    with pytest.raises(InputError, match=r"more than one run; validate them one after the other"):
        edgecv.validate([output / "main", copied])


def test_validate_notices_that_the_images_are_others(
    report: Report, output: Path, tmp_path: Path
) -> None:
    model, data = output / "main" / "baseline.keras", noise(tmp_path / "data.npz")
    flags = CompressOptions(model=str(model), data=str(data), name="moved", formats=("tflite",))
    run(flags.to_recipe(), Store(output))
    twin = output / "moved" / "float32.tflite"  # As good as the Keras model, and opened sooner.
    edgecv.validate(output / "moved", baseline=twin)
    noise(data)
    with pytest.raises(InputError, match="other test images"):
        edgecv.validate(output / "moved", baseline=twin)
    edgecv.validate(output / "moved", baseline=twin, data=data)


def test_logits_become_probabilities_before_they_are_compared(
    report: Report, output: Path, tmp_path: Path
) -> None:
    from edgecv.models.softmax import logits_model
    from edgecv.models.tf import keras_bytes, load_tensorflow

    load_tensorflow()
    from edgecv.formats.keras.importer import load

    logits = tmp_path / "logits.keras"
    logits.write_bytes(keras_bytes(logits_model(load(output / "main" / "baseline.keras"))))
    twin = output / "main" / "float32.onnx"
    result = edgecv.validate([logits, twin], data="digits", baseline=logits)
    assert result.comparisons[0].artifact.notes == ("it gives logits: a softmax is taken of them",)
    (packing,) = result.comparisons[1].artifact.notes
    assert packing.startswith("packed")
    assert result.comparisons[1].max_probability_difference < 1e-4  # type: ignore[operator]


def test_a_file_of_another_shape_does_not_take_the_others_down(
    report: Report, output: Path, tmp_path: Path
) -> None:
    from edgecv.core.registry import ARCHITECTURES
    from edgecv.formats.tflite.exporter import TFLite

    small = ARCHITECTURES.classes["cifar_cnn"]().build((20, 20, 3), ClassHead(10))
    TFLite(precision="float32").export(
        small, np.zeros((0, 20, 20, 3), np.uint8), tmp_path / "a.tflite"
    )
    int8 = output / "main" / "int8.tflite"
    result = edgecv.validate(
        [tmp_path / "a.tflite", int8], data="digits", baseline=output / "main" / "float32.onnx"
    )
    (gate,) = [gate for gate in result.gates if gate.name == "runs"]
    assert "takes images of 20x20x3, the others of 32x32x3" in gate.reason
    assert len(result.comparisons) == 1


def test_a_test_split_alone_is_enough_to_validate_and_to_convert(
    report: Report, output: Path, tmp_path: Path
) -> None:
    from PIL import Image

    random = np.random.default_rng(0)
    for name in "0123456789":
        folder = tmp_path / "only" / "test" / name
        folder.mkdir(parents=True)
        for number in range(3):
            pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    result = edgecv.validate(
        output / "main" / "int8.tflite",
        data=tmp_path / "only",
        baseline=output / "main" / "float32.onnx",
    )
    assert result.data.splits["test"].images == 30
    assert result.data.splits["train"].images == 0
    assert result.comparisons[0].agreement is not None
    converted = edgecv.compress(
        output / "main" / "baseline.keras",
        data=tmp_path / "only",
        quantize="dynamic",
        formats="tflite",
        output=tmp_path / "exported",
    )
    assert [each.artifact.precision for each in converted.comparisons] == ["float32", "dynamic"]


def test_a_bad_file_is_a_line_and_the_good_one_is_still_measured(
    report: Report, output: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.tflite"
    bad.write_bytes(np.random.default_rng(0).bytes(5000))
    result = edgecv.validate([bad, output / "main" / "int8.tflite"], data="digits")
    assert result.outcome == "failed"
    (gate,) = [gate for gate in result.gates if gate.name == "runs"]
    assert gate.artifact == str(bad)
    assert "\n" not in gate.reason
    assert len(result.comparisons) == 1
