"""Every planted fault is caught, and its cause named, on a small model."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from good_files import Good
from planting import planted
from rebuilding import RESCALINGS, export, fair_draw, of_one_class, rescaled
from typer.testing import CliRunner
from verdicts import DIAGNOSES, HARMLESS, failed, judge, rows_of, table

from edgecv.analysis.options import ValidateOptions, validate
from edgecv.cli import app
from edgecv.core.errors import InputError


@pytest.mark.parametrize("file_format", ["tflite", "onnx"])
def test_faults_in_the_file_are_caught_and_named(
    good: Good, file_format: str, tmp_path: Path
) -> None:
    faults = list(planted(file_format, good.data.class_names, good.layers))
    rows = rows_of(good, file_format, faults, tmp_path)
    print(table(rows))
    for row in rows:
        if row.changed is None or row.changed > HARMLESS or row.gates:
            assert row.is_named, row
    # Gray digits and a softmax forgive much: those that have to be caught all the same.
    certain = {"outputs swapped", "channel scale", "RGB as BGR", "class damaged", "1% flipped"}
    assert {row.fault for row in rows if row.is_named} >= certain


@pytest.mark.parametrize("file_format", ["tflite", "onnx"])
def test_wrong_rescaling_is_caught_and_named(good: Good, file_format: str, tmp_path: Path) -> None:
    paths = [
        export(
            rescaled(good.model, *RESCALINGS[name]),
            fair_draw(good.data, 0, 20),
            tmp_path / f"{name.replace(' ', '-')}.{file_format}",
        )
        for name in list(RESCALINGS)[: 2 if file_format == "tflite" else 1]
    ]
    report, _ = judge(paths, good.folder / f"float32.{file_format}", good.source)
    for path in paths:
        assert any("its rescaling" in gate.reason for gate in failed(report, path)), path


@pytest.mark.parametrize("file_format", ["tflite", "onnx"])
def test_calibration_on_one_class_is_traced_and_a_fair_draw_is_not_blamed(
    good: Good, file_format: str, tmp_path: Path
) -> None:
    labels = (0, 7) if file_format == "tflite" else (4,)
    stale = [
        export(good.model, of_one_class(good.data, label), tmp_path / f"of-{label}.{file_format}")
        for label in labels
    ]
    fair = [
        export(good.model, fair_draw(good.data, seed), tmp_path / f"fair-{seed}.{file_format}")
        for seed in (1,)
    ]
    report, _ = judge([*stale, *fair], good.folder / f"float32.{file_format}", good.source)
    for label, path in zip(labels, stale, strict=True):
        named = good.data.class_names[label]
        assert any(
            gate.name == "ranges" and f"of class {named}" in gate.reason
            for gate in failed(report, path)
        ), [gate for gate in report.gates if gate.artifact == str(path)]
    for path in fair:
        assert not failed(report, path)


@pytest.mark.parametrize("file_format", ["tflite", "onnx"])
def test_a_float_twin_that_is_called_int8_is_named(
    good: Good, file_format: str, tmp_path: Path
) -> None:
    path = tmp_path / f"my-int8.{file_format}"
    shutil.copy(good.folder / f"float32.{file_format}", path)
    report, _ = judge([path], good.folder / f"float32.{file_format}", good.source)
    (gate,) = failed(report, path)
    assert gate.name == "precision"
    assert "is the float32 twin" in gate.reason


def test_labels_that_were_cut_short_are_refused_and_beside_a_file_named(
    good: Good, tmp_path: Path
) -> None:
    path = tmp_path / "candidate.tflite"
    shutil.copy(good.folder / "int8.tflite", path)
    names = list(good.data.class_names)
    cut = tmp_path / "labels.txt"
    cut.write_text("\n".join(names[:-2]))
    twin = good.folder / "float32.tflite"
    report, _ = judge([path], twin, good.source)
    (gate,) = failed(report, path)
    assert gate.name == "labels"
    assert "names 8 classes, the file has 10 outputs" in gate.reason
    with pytest.raises(InputError, match="is not among them"):
        judge([path], twin, good.source, labels=cut)


def test_the_command_fails_and_says_the_cause(
    good: Good, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fault = next(iter(planted("tflite", good.data.class_names, good.layers)))
    path = tmp_path / "candidate.tflite"
    path.write_bytes(fault.plant(good.bytes("int8.tflite")))
    twin = str(good.folder / "float32.tflite")
    arguments = ["validate", str(path), "--baseline", twin, "--data", good.source]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1, done.output
    assert "classes 0 and 1 are swapped" in " ".join(capfd.readouterr().out.split())


def test_a_model_that_was_trained_further_is_no_fault(good: Good, tmp_path: Path) -> None:
    from edgecv.models.tf import load_tensorflow

    _, keras = load_tensorflow()
    random = np.random.default_rng(0)
    trained = keras.models.clone_model(good.model)
    trained.set_weights(
        [each + random.normal(0, each.std() / 20, each.shape) for each in good.model.get_weights()]
    )
    path = export(trained, fair_draw(good.data, 0), tmp_path / "further.tflite")
    report, _ = judge([path], good.folder / "float32.tflite", good.source)
    assert not failed(report, path)
    assert "a model that was trained further" in " ".join(report.notes)


def test_every_precision_holds_the_weights_of_the_twin(good: Good, tmp_path: Path) -> None:
    images = fair_draw(good.data, 0)
    paths = [
        export(good.model, images, tmp_path / f"{precision}.tflite", precision)
        for precision in ("float16", "dynamic", "int16x8")
    ]
    report, _ = judge(paths, good.folder / "float32.tflite", good.source)
    outcomes = {
        (Path(gate.artifact).stem, gate.name): gate.outcome
        for gate in report.gates
        if gate.name in DIAGNOSES
    }
    assert set(outcomes.values()) == {"passed"}
    assert {stem for stem, name in outcomes if name == "weights"} == {
        "float16",
        "dynamic",
        "int16x8",
    }


def test_float16_files_are_held_to_a_float16_baseline(good: Good, tmp_path: Path) -> None:
    """Their weights are the same if both were rounded from one model; those of int8 need not be."""
    from edgecv.models.tf import load_tensorflow

    _, keras = load_tensorflow()
    other, images = keras.models.clone_model(good.model), fair_draw(good.data, 0)
    weights = good.model.get_weights()
    weights[0] = weights[0] * np.where(np.arange(weights[0].shape[-1]) == 3, -1, 1)
    other.set_weights(weights)
    baseline, honest, damaged = (
        export(model, images, tmp_path / f"{name}.tflite", "float16")
        for name, model in (("base", good.model), ("honest", good.model), ("damaged", other))
    )
    report, _ = judge([honest, damaged, good.folder / "int8.tflite"], baseline, good.source)
    found = {
        Path(each.artifact).stem: each.outcome for each in report.gates if each.name == "weights"
    }
    assert found == {"honest": "passed", "damaged": "failed"}
    assert "holds weights of float16, which are rounded themselves" in " ".join(report.notes)


def test_calibration_on_test_images_is_said(good: Good, tmp_path: Path) -> None:
    path = export(good.model, good.data.test.images[:200], tmp_path / "flattered.tflite")
    report, _ = judge([path], good.folder / "float32.tflite", good.source)
    assert not failed(report, path)
    assert "was calibrated on test images" in " ".join(report.notes)


def test_without_a_twin_a_file_is_judged_by_its_own_rules_alone(good: Good, tmp_path: Path) -> None:
    path = tmp_path / "alone.tflite"
    path.write_bytes(good.bytes("int8.tflite"))
    report = validate(ValidateOptions(paths=(path,), data=good.source))
    assert {gate.name for gate in report.gates} == {"proof", "quantization"}
    assert not report.notes


def test_normalization_that_is_folded_elsewhere_is_no_fault(good: Good, tmp_path: Path) -> None:
    """Other converters leave a batch normalization behind its convolution, as Mul and Add."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.ModelProto.FromString(good.bytes("float32.onnx"))
    convolution = [node for node in model.graph.node if node.op_type == "Conv"][1]
    constants = {each.name: each for each in model.graph.initializer}
    factors = np.random.default_rng(0).uniform(0.2, 5, 64).astype(np.float32)
    for name, sides in ((convolution.input[1], (-1, 1, 1, 1)), (convolution.input[2], (-1,))):
        values = numpy_helper.to_array(constants[name]) / factors.reshape(sides)
        constants[name].CopyFrom(numpy_helper.from_array(values, name))
    place = list(model.graph.node).index(convolution)
    given = convolution.output[0]
    convolution.output[0] = "unscaled"
    model.graph.initializer.append(numpy_helper.from_array(factors.reshape(-1, 1, 1), "factors"))
    model.graph.node.insert(place + 1, helper.make_node("Mul", ["unscaled", "factors"], [given]))
    path = tmp_path / "unfolded.onnx"
    path.write_bytes(model.SerializeToString())
    report, _ = judge([path], good.folder / "float32.onnx", good.source)
    assert not failed(report, path)
    (gate,) = (each for each in report.gates if each.name == "weights")
    assert gate.outcome == "passed"


def test_channels_in_another_order_throughout_are_no_fault(good: Good, tmp_path: Path) -> None:
    from edgecv.models.tf import load_tensorflow

    _, keras = load_tensorflow()
    first, second = [
        each.name for each in good.model.layers if isinstance(each, keras.layers.Conv2D)
    ][:2]
    changed = keras.models.clone_model(good.model)
    changed.set_weights(good.model.get_weights())
    kernel, bias = changed.get_layer(first).get_weights()
    order = np.random.default_rng(0).permutation(len(bias))
    changed.get_layer(first).set_weights([kernel[..., order], bias[order]])
    path = export(changed, fair_draw(good.data, 0), tmp_path / "half.tflite")
    taker, *rest = changed.get_layer(second).get_weights()
    changed.get_layer(second).set_weights([taker[:, :, order], *rest])
    whole = export(changed, fair_draw(good.data, 0), tmp_path / "whole.tflite")
    report, _ = judge([path, whole], good.folder / "float32.tflite", good.source)
    assert any("are swapped" in each.reason for each in failed(report, path))
    outcomes = {
        each.name: each.outcome
        for each in report.gates
        if each.artifact == str(whole) and each.name in DIAGNOSES
    }
    assert outcomes == {"weights": "passed", "quantization": "passed", "ranges": "passed"}


def test_factors_that_were_moved_into_the_next_layer_are_no_fault(
    good: Good, tmp_path: Path
) -> None:
    """Some tools make the ranges of channels equal: factors pass a ReLU."""
    import onnx
    from onnx import numpy_helper

    model = onnx.ModelProto.FromString(good.bytes("float32.onnx"))
    first, second = [node for node in model.graph.node if node.op_type == "Conv"][:2]
    constants = {each.name: each for each in model.graph.initializer}
    channels = constants[first.input[1]].dims[0]
    factors = np.random.default_rng(0).uniform(0.2, 5, channels).astype(np.float32)
    for name, sides in (
        (first.input[1], factors[:, None, None, None]),
        (first.input[2], factors),
        (second.input[1], 1 / factors[:, None, None]),
    ):
        values = numpy_helper.to_array(constants[name]) * sides
        constants[name].CopyFrom(numpy_helper.from_array(values, name))
    path = tmp_path / "equalized.onnx"
    path.write_bytes(model.SerializeToString())
    report, _ = judge([path], good.folder / "float32.onnx", good.source)
    assert not failed(report, path)
    assert any("batch normalization is folded into other weights" in each for each in report.notes)
