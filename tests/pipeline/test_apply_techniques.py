"""Techniques in a run: stored, resumed after a kill, taught by the baseline, told in the report."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import edgecv
from edgecv.core.errors import StepError
from edgecv.core.events import Event
from edgecv.core.report import Report
from edgecv.models.tf import keras_bytes, load_tensorflow
from edgecv.pipeline.apply_techniques import TechniqueRunner
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.recipe import Recipe, parse_recipe
from edgecv.pipeline.run import run
from edgecv.pipeline.technique_stage import range_images_of
from edgecv.pipeline.trial_export import TrialExports
from edgecv.system.storage import Store, file_sha256

SHORT = {"epochs": 2, "minimum_steps": 0}


def recipe(name: str, *, distil: bool = True, **shrink: Any) -> Recipe:
    """Return a recipe on the baseline of the ``output`` fixture: shrink in rounds, then distil."""
    taught = [{"technique": "distil", "training": SHORT}] if distil else []
    # Widths in large steps: each that is tried is a model to build.
    options = {"keep": 0.4, "rounds": 2, "multiple": 16, "training": SHORT, **shrink}
    options = {key: value for key, value in options.items() if value is not None}
    return parse_recipe(
        {
            "name": name,
            "control": "off",
            "data": {"source": "digits"},
            "baseline": {"training": {"epochs": 3, "minimum_steps": 0}},
            "technique": [{"technique": "shrink", **options}, *taught],
            "export": [{"format": "tflite", "precision": "int8", "io": "int8"}],
        },
        "test",
    )


@pytest.fixture(scope="module")
def report(output: Path) -> Report:
    return run(recipe("narrower"), Store(output))


def test_a_narrower_model_is_smaller_and_the_report_says_where(
    report: Report, output: Path
) -> None:
    assert report.costs is not None
    before, after = report.costs.baseline, report.costs.compressed
    assert before.macs == 4_548_608
    assert after.macs <= 0.4 * before.macs
    assert after.peak_activations < before.peak_activations
    assert [layer.name for layer in after.layers] == [layer.name for layer in before.layers]
    candidate = next(each for each in report.comparisons if not each.is_twin)
    assert candidate.size_ratio > 4  # type: ignore[operator]
    assert candidate.input.type == "int8"
    text = (output / "narrower" / "report.md").read_text()
    assert "4,548,608 -> " in text
    assert "conv_1 32 to " in text
    assert "![Widths before and after](widths.png)" in text
    assert (output / "narrower" / "widths.png").read_bytes().startswith(b"\x89PNG")
    assert edgecv.load_report(output / "narrower") == report
    (gate,) = [each for each in report.gates if each.name == "macs"]
    assert gate.observed == after.macs <= gate.limit


class Killed(Exception):
    pass


def test_a_run_that_is_killed_in_a_later_round_ends_with_the_same_bytes(
    report: Report, output: Path, tmp_path: Path
) -> None:
    store = Store(tmp_path / "exported")
    shutil.copytree(output / "baselines", store.root / "baselines")  # Trained once is enough.
    seen: list[str] = []

    def kill_in_round_two(event: Event) -> None:
        if event.total is None or event.stage == "epoch":
            seen.append(event.message)
        if event.stage == "step" and seen.count("epoch done") == 2:
            raise Killed

    plan = recipe("narrower")
    with pytest.raises(Killed):
        run(plan, store, on_event=kill_in_round_two)
    assert seen.count("ranking channels by l1") == 2
    again: list[str] = []
    run(plan, store, on_event=lambda event: again.append(event.message))
    assert "ranking channels by l1" not in again
    assert file_sha256(store.run_folder("narrower") / "int8.tflite") == file_sha256(
        output / "narrower" / "int8.tflite"
    )
    assert not list((tmp_path / "exported" / ".store" / "checkpoints").iterdir())


def test_the_curves_show_all_rounds(report: Report, output: Path) -> None:
    folders = (output / ".store" / "techniques").iterdir()
    facts = [read_json(folder / "facts.json") for folder in folders]
    shrink = next(each for each in facts if each["technique"].get("keep") == 0.4)
    assert [epoch["epoch"] for epoch in shrink["history"]] == [1, 2, 3, 4]
    assert [epoch["settled"] for epoch in shrink["history"]] == [False, False, True, True]


def read_json(path: Path) -> dict[str, Any]:
    table: dict[str, Any] = json.loads(path.read_text())
    return table


@pytest.mark.slow
def test_a_measured_target_is_met_in_the_file(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(TrialExports, "_times")  # Bytes alone are asked for.
    plan = recipe("measured", keep=None, int8_bytes=60_000, rounds=1, distil=False)
    measured = run(plan, Store(output))
    candidate = next(each for each in measured.comparisons if not each.is_twin)
    assert candidate.artifact.bytes <= 60_000
    assert any("tried conv_1" in note for note in measured.notes)
    (gate,) = [each for each in measured.gates if each.name == "int8_bytes"]
    assert (gate.limit, gate.observed, gate.outcome) == (60_000, candidate.artifact.bytes, "passed")


def key_of(plan: Recipe) -> str:
    """Return the key of the first technique of a recipe."""
    split: Any = SimpleNamespace(sha256="s", labels=())
    data = SimpleNamespace(calibration=split, train=split, validation=split, meaning=None)
    source: Any = SimpleNamespace(sha256="m")
    model: Any = SimpleNamespace(recipe=plan, data=data, source=source)
    teacher: Any = SimpleNamespace(is_another=False, unlabelled=None)
    runner = TechniqueRunner(model, SimpleNamespace(seed=0), teacher)  # type: ignore[arg-type]
    return runner._key(plan.techniques[0], source, frozenset())


def test_what_was_chosen_by_times_is_stored_by_how_they_were_measured() -> None:
    """Widths that were found on one thread were those of a run with four, without a word."""

    def key(threads: int, kernels: str, **shrink: Any) -> str:
        plan = recipe("timed", distil=False, keep=None, rounds=1, **shrink)
        settings = plan.settings.model_copy(update={"threads": threads, "kernels": kernels})
        return key_of(plan.replace(settings=settings))

    kinds = [(1, "xnnpack"), (4, "xnnpack"), (1, "builtin")]
    assert len({key(*kind, latency_us=20.0) for kind in kinds}) == len(kinds)
    assert len({key(*kind, int8_bytes=60_000) for kind in kinds}) == 1


@pytest.mark.quick
def test_what_was_chosen_by_files_is_stored_by_how_they_are_written() -> None:
    """Widths of packed files were taken for files that are not packed: these were too large."""

    def keys(**shrink: Any) -> list[str]:
        plan = recipe("measured", distil=False, rounds=1, **shrink)
        written = [{"pack": "off"}, {"io": "float32"}, {"calibration_images": 9}, {}]
        usual = plan.exports[0].model_copy(update={"io": None})
        files = [usual.model_copy(update=each) for each in written]
        return [key_of(plan.replace(exports=(each,))) for each in files]

    off, floats, few, usual = keys(keep=None, int8_bytes=60_000)
    assert len({off, floats, usual}) == 3
    assert few == usual
    assert len(set(keys(keep=0.4))) == 1


@pytest.mark.quick
def test_qat_sets_its_ranges_on_as_many_images_as_an_export_does() -> None:
    """They were always 200, and a run with others was taken from the store."""

    def plan(*counts: int | None, **options: Any) -> Recipe:
        given = CompressOptions(data="digits", formats=("tflite",), **options).to_recipe()
        (usual,) = given.exports
        exports = (usual.model_copy(update={"calibration_images": each}) for each in counts)
        return given.replace(exports=tuple(exports))

    counts: list[tuple[int | None, ...]] = [(50,), (50, None), (None,)]
    assert [range_images_of(plan(*each).exports) for each in counts] == [50, 200, 200]
    assert range_images_of(plan(50, quantize=("none",)).exports) == 200
    few, usual = plan(50, qat=True), plan(None, qat=True)
    assert key_of(few) != key_of(usual) == key_of(plan(200, qat=True))


def test_what_cannot_be_exported_is_said_before_the_training(tmp_path: Path) -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.InputLayer((8, 8, 3)),
            layers.Conv2D(6, 3, name="first"),
            layers.Activation("selu", name="odd"),
            layers.Flatten(),
            layers.Dense(10),
            layers.Softmax(),
        ]
    )
    path = tmp_path / "model.keras"
    path.write_bytes(keras_bytes(model))
    stages: list[str] = []
    plan = parse_recipe(
        {
            "name": "odd",
            "data": {"source": "digits"},
            "baseline": {"model": str(path)},
            "technique": [{"technique": "prune", "training": SHORT}],
            "export": [{"format": "tflite", "precision": "int8"}],
        },
        "test",
    )
    with pytest.raises(StepError, match='layer "odd": TensorFlow cannot make int8 of selu'):
        run(plan, Store(tmp_path / "exported"), on_event=lambda event: stages.append(event.stage))
    assert "step" not in stages
    assert not (tmp_path / "exported" / "odd").exists()
