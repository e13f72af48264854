"""Planted faults: the first finding names the true culprit."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from lite_converter import lite_converter
from paths import HOSTILE
from small_report import REPORT

from edgecv.analysis.doctor import execution, slow_files
from edgecv.analysis.doctor import fix as doctor_fix
from edgecv.analysis.doctor.checks import check_paths
from edgecv.analysis.doctor.records import Diagnosis, Fix
from edgecv.analysis.doctor.slow_files import speed_remedy
from edgecv.analysis.doctor.text import diagnosed_file, fix_text, to_json, to_text
from edgecv.analysis.inspection.read_file import inspect
from edgecv.analysis.options import DoctorOptions, doctor
from edgecv.core.data import Images
from edgecv.core.errors import EdgecvError, InputError
from edgecv.core.events import Event
from edgecv.pipeline.recipe.recipe import load_recipe
from edgecv.reports.page.build import DiagnosedFile, to_page


def edited_tflite(source: Path, target: Path, edit: Callable[[Any], None]) -> Path:
    """Write a TFLite file with some fields changed."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(source.read_bytes(), 0)
    edit(model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    target.write_bytes(bytes(builder.Output()))
    return target


def scaled_kernel(layer: str, factor: float) -> Callable[[Any], None]:
    """Return an edit that makes the scales of a layer's kernel wrong."""

    def edit(model: Any) -> None:
        graph = model.subgraphs[0]
        for operator in graph.operators:
            made = graph.tensors[operator.outputs[0]].name.decode()
            if f"{layer}/" in made and len(operator.inputs) == 3:
                kernel = graph.tensors[operator.inputs[1]].quantization
                kernel.scale = kernel.scale * np.float32(factor)

    return edit


def first(diagnosis: Diagnosis) -> tuple[str, str, str]:
    found = diagnosis.findings[0]
    return found.name, found.severity, found.where


@pytest.mark.parametrize("field", ["sarif", "model_explorer", "fix"])
def test_a_file_that_cannot_be_written_is_refused_first(tmp_path: Path, field: str) -> None:
    options: dict[str, Any] = {"path": tmp_path / "x.tflite", field: tmp_path / "no" / "file"}
    with pytest.raises(InputError, match=f"--{field.replace('_', '-')}: there is no folder"):
        doctor(DoctorOptions(**options))


@pytest.mark.parametrize("field", ["sarif", "model_explorer", "fix"])
@pytest.mark.parametrize("read", ["path", "baseline", "beside", "data"])
def test_a_file_that_is_read_is_not_written(tmp_path: Path, field: str, read: str) -> None:
    """The model was replaced by the findings."""
    given: dict[str, Any] = {"path": tmp_path / "x.tflite", read: tmp_path / "m.tflite"}
    given[read].write_bytes(b"a model")
    (tmp_path / "link").symlink_to(given[read])
    given["data"] = str(given["data"]) if "data" in given else None
    with pytest.raises(InputError, match=f"--{field.replace('_', '-')}: .* too"):
        check_paths(DoctorOptions(**{**given, field: tmp_path / "link"}))


def test_two_outputs_are_not_one_file(tmp_path: Path) -> None:
    both = {each: tmp_path / "found.json" for each in ("sarif", "model_explorer")}
    with pytest.raises(InputError, match=r"--model-explorer: .*found\.json is the file of --sarif"):
        check_paths(DoctorOptions(path=tmp_path / "x.tflite", **both))


def test_a_fix_names_the_metric_of_its_task() -> None:
    """An error of 3.12 was an accuracy of 312%."""
    fix = Fix("f.toml", "bad-scale", 0.5, 0.9, "MAE", 3.12, 1.04, False, 0.5, "faster")
    assert "MAE 3.12 -> 1.04, faster: 0.50 of the time" in fix_text(fix)
    fraction = replace(fix, metric="accuracy", value_before=0.5, value_after=0.75, is_fraction=True)
    assert "accuracy 50.00% -> 75.00%" in fix_text(fraction)
    assert "MAE" not in fix_text(replace(fix, value_before=None, value_after=None))


def test_a_fix_that_cannot_be_timed_is_a_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ended as an error of edgecv, after the whole remedy was run."""
    one = SimpleNamespace(timings=[SimpleNamespace(ratio=1.0, verdict="")])
    monkeypatch.setattr(doctor_fix, "time_files", lambda *given: one)
    given: Any = DoctorOptions(path="x.tflite")
    assert doctor_fix.compared_time(given, Path("y.tflite"), given) == (None, "not known")
    fix = Fix("f.toml", "bad-scale", 0.5, 0.9, "accuracy", 0.5, 0.9, True, None, "not known")
    assert fix_text(fix).endswith("accuracy 50.00% -> 90.00%, its speed is not known")


def test_a_good_file_has_no_error(files: Path) -> None:
    for name, baseline in (("int8.tflite", "float32.tflite"), ("int8.onnx", "baseline.keras")):
        done: list[Event] = []
        found = doctor(
            DoctorOptions(
                path=files / name, baseline=files / baseline, data=str(files / "data.npz")
            ),
            on_event=done.append,
        )
        # The float32 twin of a Keras baseline is in a temporary folder: nobody looks for it there.
        assert any(f"beside {files / baseline}" in each.message for each in done)
        assert {each.severity for each in found.findings} <= {"note", "warning"}, name
        assert {"first", "second", "third", "logits"} <= {each.layer for each in found.layers}
        assert min(each.sqnr_db for each in found.layers) > 15
        is_quiet = all(each.severity == "note" for each in found.findings)
        assert ("nothing is wrong" in to_text(found)) == is_quiet


@pytest.mark.parametrize(("layer", "factor"), [("first", 3.0), ("second", 0.25), ("third", 3.0)])
def test_a_layer_with_a_bad_scale_in_tflite(
    layer: str, factor: float, files: Path, tmp_path: Path
) -> None:
    bad = edited_tflite(files / "int8.tflite", tmp_path / "a.tflite", scaled_kernel(layer, factor))
    found = doctor(
        DoctorOptions(path=bad, baseline=files / "float32.tflite", data=str(files / "data.npz"))
    )
    assert first(found) == ("bad-scale", "error", layer)
    assert "calibration_images" in found.findings[0].remedy
    assert [each.layer for each in found.layers if each.drop_db > 10] == [layer]


def bad_onnx(files: Path, path: Path) -> Path:
    """Write the int8 ONNX file with a wrong scale of its second convolution."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(files / "int8.onnx")
    producer = {node.output[0]: node for node in model.graph.node}
    second = [node for node in model.graph.node if node.op_type == "Conv"][1]
    scale = producer[second.input[1]].input[1]
    for constant in model.graph.initializer:
        if constant.name == scale:
            wrong = numpy_helper.to_array(constant) * np.float32(3)
            constant.CopyFrom(numpy_helper.from_array(wrong, scale))
    onnx.save(model, path)
    return path


def test_a_layer_with_a_bad_scale_in_onnx(files: Path, tmp_path: Path) -> None:
    options = DoctorOptions(
        path=bad_onnx(files, tmp_path / "a.onnx"),
        baseline=files / "baseline.keras",
        data=str(files / "data.npz"),
    )
    assert first(doctor(options)) == ("bad-scale", "error", "second")


@pytest.mark.slow
def test_a_fix_starts_from_an_onnx_model_too(files: Path, tmp_path: Path) -> None:
    """It was refused after the diagnosis: "give it as --baseline"."""
    options = DoctorOptions(
        path=bad_onnx(files, tmp_path / "a.onnx"),
        baseline=files / "float32.onnx",
        data=str(files / "data.npz"),
        fix=tmp_path / "fix.toml",
    )
    fix = doctor(options).fix
    assert fix is not None
    assert fix.helps
    (export,) = load_recipe(tmp_path / "fix.toml").exports
    assert (export.format, export.precision) == ("onnx", "int8")


def test_a_dynamic_range_model_sold_as_int8(files: Path, tmp_path: Path) -> None:
    sold = Path(shutil.copy(files / "dynamic.tflite", tmp_path / "model-int8.tflite"))
    found = doctor(DoctorOptions(path=sold)).findings[0]
    assert (found.name, found.severity) == ("dynamic-range", "error")
    assert "a dynamic-range model sold as int8 (its name says int8)" in found.observed
    assert 'precision = "int8"' in found.remedy
    honest = doctor(DoctorOptions(path=files / "dynamic.tflite"))
    assert first(honest)[:2] == ("dynamic-range", "warning")


def test_a_float_island_in_tflite(pixels: Images, tmp_path: Path) -> None:
    path = tmp_path / "a.tflite"
    path.write_bytes(_with_a_sine(pixels))
    found = doctor(DoctorOptions(path=path)).findings[0]
    assert (found.name, found.severity) == ("float-island", "error")
    assert "SIN in float between integers" in found.observed
    assert found.remedy == "there is no int8 kernel for SIN: use a layer that has one"


def _with_a_sine(pixels: Images) -> bytes:
    from edgecv.models.tf import load_tensorflow

    tensorflow, keras = load_tensorflow()
    layers = keras.layers
    image = keras.Input(pixels.shape[1:])
    tensor = layers.Conv2D(8, 3, activation="relu")(image)
    tensor = layers.Conv2D(8, 3)(layers.Lambda(tensorflow.sin, name="wave")(tensor))
    model = keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(tensor)))
    converter = lite_converter(model)
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([i[None].astype("float32")] for i in pixels[:8])
    return converter.convert()


def test_a_float_island_in_onnx(files: Path, pixels: Images, tmp_path: Path) -> None:
    from onnxruntime.quantization import CalibrationDataReader, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.rest = [{"image": each[None].astype(np.float32)} for each in pixels[:8]]

        def get_next(self) -> dict[str, Any] | None:
            return self.rest.pop() if self.rest else None

    path = tmp_path / "a.onnx"
    quantize_static(files / "float32.onnx", path, Reader(), nodes_to_exclude=["Conv_1"])
    found = doctor(DoctorOptions(path=path)).findings[0]
    assert (found.name, found.severity) == ("float-island", "error")
    assert found.where.startswith("Conv_1")
    assert "Conv" in found.observed


def test_xnnpack_off_because_it_was_opened_so(files: Path) -> None:
    found = doctor(DoctorOptions(path=files / "int8.tflite", kernels="builtin")).findings[0]
    assert (found.name, found.severity) == ("xnnpack-off", "error")
    assert "the interpreter was opened with kernels = builtin" in found.observed
    assert "us a run, and" in found.observed


def test_xnnpack_off_because_of_the_file(files: Path) -> None:
    found = doctor(DoctorOptions(path=files / "int16x8.tflite")).findings[0]
    assert (found.name, found.severity) == ("xnnpack-off", "error")
    assert "it has no kernels for this file (activations of int16)" in found.observed
    assert found.remedy == 'choose types that it takes: precision = "int8" under [[export]]'


def test_json_holds_every_finding(files: Path) -> None:
    found = doctor(DoctorOptions(path=files / "int8.onnx"))
    table = json.loads(to_json(found))
    assert [each["name"] for each in table["findings"]] == ["operator-times", "processor"]
    assert "by ONNX Runtime's profiler" in table["findings"][0]["observed"]
    times = [each["microseconds"] for each in table["operators"]]
    assert times == sorted(times, reverse=True)
    assert times[-1] >= 0
    lines = to_text(found).splitlines()
    first = next(n for n, line in enumerate(lines) if "time by operator, of" in line)
    assert found.operators[0].name in lines[first + 1]
    page = to_page(REPORT, diagnoses=[diagnosed_file(found)])
    assert "Time by operator" in page
    assert page.count(found.operators[0].name) >= 2
    assert "Time by operator" not in to_page(REPORT, diagnoses=[DiagnosedFile("x", (), ())])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"path": "baseline.keras"}, "is not a file for a device"),
        (
            {"path": "int8.onnx", "baseline": "float32.onnx"},
            "--baseline: needs images; give --data",
        ),
        ({"path": "int8.onnx", "beside": "int8.tflite"}, "--beside: needs images; give --data"),
        ({"path": "int8.onnx", "fix": "fix.toml"}, "--fix: needs the model"),
        ({"path": "int8.onnx", "model_explorer": "m.json"}, "--model-explorer: needs the model"),
        (
            {"path": "int8.tflite", "baseline": "float32.onnx", "data": "data.npz"},
            "cannot be compared with a .tflite file layer by layer",
        ),
        (
            {
                "path": "int8.tflite",
                "baseline": "float32.tflite",
                "data": "data.npz",
                "fix": "fix.toml",
            },
            "float32.tflite: is a finished TFLite file, which is not converted again",
        ),
        ({"path": "int8.onnx", "kernels": "builtin"}, "--kernels: is of .tflite files"),
        ({"path": "int8.tflite", "kernels": "xnnpak"}, "--kernels"),
        ({"path": "no.tflite"}, "there is no such file"),
    ],
)
def test_wrong_input_is_refused(given: dict[str, str], message: str, files: Path) -> None:
    options: dict[str, Any] = {
        name: each if name == "kernels" else files / each for name, each in given.items()
    }
    if "data" in given:
        options["data"] = str(options["data"])
    with pytest.raises(InputError, match=message):
        doctor(DoctorOptions(**options))


def test_the_command_says_it_and_fails(files: Path, tmp_path: Path) -> None:
    sold = shutil.copy(files / "dynamic.tflite", tmp_path / "int8.tflite")
    command = [sys.executable, "-m", "edgecv", "doctor", str(sold), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert json.loads(done.stdout)["findings"][0]["name"] == "dynamic-range"


@pytest.mark.slow
def test_a_hostile_file_is_one_line() -> None:
    if not HOSTILE.is_dir():
        pytest.skip(f"needs {HOSTILE}, which is not part of the project")
    refused = 0
    for path in [each for each in sorted(HOSTILE.iterdir()) if each.suffix != ".md"]:
        said = _refusal(path)
        assert "\n" not in said
        refused += bool(said)
    assert refused > 10


def _refusal(path: Path) -> str:
    """Return the error for a file; empty where it is examined: some harm other kernels only."""
    try:
        doctor(DoctorOptions(path=path))
    except EdgecvError as error:
        return str(error)
    return ""


@pytest.mark.slow
def test_a_fix_is_a_recipe_that_was_run_and_helps(files: Path, tmp_path: Path) -> None:
    bad = edited_tflite(files / "int8.tflite", tmp_path / "a.tflite", scaled_kernel("second", 0.05))
    found = doctor(
        DoctorOptions(
            path=bad,
            baseline=files / "baseline.keras",
            data=str(files / "data.npz"),
            fix=tmp_path / "fix.toml",
        )
    )
    fix = found.fix
    assert fix is not None
    assert fix.finding == "bad-scale"
    assert fix.helps
    assert fix.agreement_after > fix.agreement_before
    recipe = load_recipe(tmp_path / "fix.toml")
    assert [(each.format, each.precision) for each in recipe.exports] == [("tflite", "int8")]
    assert "it helps" in fix_text(fix)
    assert to_text(found).endswith(fix_text(fix))
    assert json.loads(to_json(found))["fix"]["finding"] == "bad-scale"


def test_nothing_to_fix_is_said(files: Path, tmp_path: Path) -> None:
    options = DoctorOptions(
        path=files / "int8.onnx",
        fix=tmp_path / "fix.toml",
        baseline=files / "baseline.keras",
        data=str(files / "data.npz"),
    )
    said = to_text(doctor(options))
    assert "nothing was found that a recipe can fix" in said
    assert "signal over error" in said
    assert not (tmp_path / "fix.toml").exists()


def test_coverage_counts_what_the_delegate_left(files: Path) -> None:
    (coverage,) = (
        each
        for each in doctor(DoctorOptions(path=files / "int8.tflite")).findings
        if each.name == "delegate-coverage"
    )
    assert coverage.severity == "note"
    assert coverage.observed.startswith("XNNPACK took 5 of 6 operators")
    assert "(QUANTIZE)" not in coverage.where
    assert "(SOFTMAX)" in coverage.where


def test_a_file_slower_than_its_float_reference_gets_the_cause(files: Path) -> None:
    options = DoctorOptions(
        path=files / "int16x8.tflite",
        baseline=files / "float32.tflite",
        data=str(files / "data.npz"),
    )
    found = doctor(options)
    (slow,) = (each for each in found.findings if each.name == "slower-than-float")
    assert slow.severity == "warning"
    assert "XNNPACK has no kernels for int16 activations" in slow.observed
    assert "--format tflite --quantize int8" in slow.remedy
    assert "1 error and 1 warning" in to_text(found)


@pytest.mark.parametrize("flags", [{"avx2"}, {"avx2", "avx512_vnni"}])
def test_an_int8_file_that_is_slow_on_this_processor_alone_is_no_error(
    flags: set[str], files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remedy was to export a float32 file that lay beside it; the cause stood in a note."""
    monkeypatch.setattr(execution, "instructions", lambda: frozenset(flags))
    timing = SimpleNamespace(verdict="slower", ratio=1.74)
    timed = SimpleNamespace(timings=[timing, timing])
    monkeypatch.setattr(slow_files, "time_files", lambda *given: timed)
    options = DoctorOptions(
        path=files / "int8.tflite",
        baseline=files / "float32.tflite",
        data=str(files / "data.npz"),
    )
    (slow,) = (each for each in doctor(options).findings if each.name == "slower-than-float")
    has_products = len(flags) > 1
    cause = "this processor has no products of bytes"
    assert (cause in slow.observed) == (not has_products)
    assert slow.remedy.startswith("this is no error of the file: ") == (not has_products)
    bench = f"edgecv bench {files / 'float32.tflite'} {files / 'int8.tflite'} --on ssh://USER@HOST"
    assert bench in slow.remedy
    exported = speed_remedy(inspect(files / "int8.tflite").contents, files / "int8.tflite", None)
    assert "--format tflite --quantize none, and edgecv bench" in exported


def relu_file(path: Path, shape: list[int]) -> Path:
    import onnx

    taken, given = (onnx.helper.make_tensor_value_info(n, 1, shape) for n in ("taken", "given"))
    relu = onnx.helper.make_node("Relu", ["taken"], ["given"])
    graph = onnx.helper.make_graph([relu], "relu", [taken], [given])
    onnx.save(onnx.helper.make_model(graph), path)
    return path


def test_a_file_of_no_images_is_not_run_and_its_structure_is_read(tmp_path: Path) -> None:
    found = doctor(DoctorOptions(path=relu_file(tmp_path / "words.onnx", [1, 8])))
    (note,) = (each for each in found.findings if each.name == "not-run")
    assert "it takes [1, 8] and no image" in note.observed
    assert to_text(found).endswith(
        "in its structure alone: its answers, layers and speed were not looked at"
    )


def test_a_file_that_gives_maps_is_run(tmp_path: Path) -> None:
    found = doctor(DoctorOptions(path=relu_file(tmp_path / "boxes.onnx", [1, 3, 8, 8])))
    assert "not-run" not in {each.name for each in found.findings}
