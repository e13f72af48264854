"""Faults in networks with branches, gates and depthwise kernels; honest files of other tools."""

from pathlib import Path

import networks
import other_tools
import pytest
from good_files import Good
from planting import MODULES, Planted, planted
from rebuilding import RESCALINGS, export, fair_draw, of_one_class, rescaled
from structure_faults import LAYERS, between_layers, without_activation
from verdicts import DIAGNOSES, HARMLESS, Row, changed, failed, judge, rows_of, table

FORMATS = ("tflite", "onnx")
COLOURS = 3


TRIALS = 3
"""Draws of calibration images in the wide table, for each network and each tool."""


@pytest.fixture(scope="module")
def gates(tmp_path_factory: pytest.TempPathFactory) -> Good:
    """Return inverted residual blocks with squeeze-excite, after a few epochs."""
    return networks.make("gates", tmp_path_factory.mktemp("gates"), 3)


@pytest.fixture(scope="module", params=networks.KINDS)
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Good:
    """Return each network, trained well."""
    return networks.make(request.param, tmp_path_factory.mktemp(request.param), 12)


def faults_of(good: Good, file_format: str) -> list[Planted]:
    content = good.bytes(f"int8.{file_format}")
    layers = LAYERS[file_format](content).count
    is_of_pixels = MODULES[file_format].channels_of(content, 0) == COLOURS
    found = planted(file_format, good.data.class_names, layers, first=int(is_of_pixels))
    return [*found, *between_layers(file_format, content)]


def check(rows: list[Row]) -> None:
    print(f"\n{table(rows)}")
    for row in rows:
        if row.changed is None or row.changed > HARMLESS:
            assert row.is_caught, row
            assert row.is_named, row


@pytest.mark.parametrize("file_format", FORMATS)
def test_faults_between_layers_are_caught_and_named(
    gates: Good, file_format: str, tmp_path: Path
) -> None:
    faults = list(between_layers(file_format, gates.bytes(f"int8.{file_format}")))
    rows = rows_of(gates, file_format, faults, tmp_path)
    check(rows)
    assert {row.fault for row in rows if row.is_named} == {each.fault for each in faults}


def others_files(good: Good, folder: Path, seed: int) -> list[Path]:
    """Return honest files of TFLite's converter, and some of ONNX Runtime's quantizer.

    After ``TRIALS`` seeds there is one of each kind.
    """
    images = fair_draw(good.data, seed, 100)
    source = other_tools.onnx_float(good.model, folder / f"{seed}-float.onnx")
    static, dynamic = (
        list(kinds)[seed % TRIALS :: TRIALS] for kinds in (other_tools.STATIC, other_tools.DYNAMIC)
    )
    return [
        *(
            other_tools.tflite(good.model, images, folder / f"{seed}-{kind}.tflite", kind)
            for kind in other_tools.TFLITE
        ),
        source,
        *(
            other_tools.onnx_static(source, images, folder / f"{seed}-static-{kind}.onnx", kind)
            for kind in static
        ),
        *(
            other_tools.onnx_dynamic(source, folder / f"{seed}-dynamic-{kind}.onnx", kind)
            for kind in dynamic
        ),
    ]


def alarms(good: Good, paths: list[Path]) -> list[str]:
    """Return what is said against honest files, whose reference is the Keras model."""
    report, _ = judge(paths, good.baseline, good.source)
    given = set(map(str, paths))
    judged = {gate.artifact for gate in report.gates if gate.name == "weights"}
    assert judged == given
    return [
        f"{Path(gate.artifact).name}: {gate.name} {gate.outcome}: {gate.reason}"
        for gate in report.gates
        if gate.outcome != "passed" and gate.artifact in given and gate.name in DIAGNOSES
    ] + [note for note in report.notes if "not compared" in note or "not those" in note]


def test_honest_files_of_other_tools_raise_no_alarm(gates: Good, tmp_path: Path) -> None:
    images, source = fair_draw(gates.data, 11, 50), gates.folder / "float32.onnx"
    paths = [
        other_tools.tflite(gates.model, images, tmp_path / "a.tflite"),
        other_tools.onnx_static(source, images, tmp_path / "qdq.onnx"),
        other_tools.onnx_static(source, images, tmp_path / "operators.onnx", "operators"),
        other_tools.onnx_dynamic(source, tmp_path / "dynamic.onnx"),
    ]
    assert alarms(gates, paths) == []


def test_padding_with_a_whole_byte_is_no_fault_and_hides_no_calibration(
    gates: Good, tmp_path: Path
) -> None:
    """0 is between two bytes: borders of the .onnx file differ, and through the gates all of it."""
    stale = export(gates.model, of_one_class(gates.data, 4), tmp_path / "stale.onnx")
    honest = gates.copy_of_int8("onnx", tmp_path)
    report, _ = judge([honest, stale], gates.folder / "float32.onnx", gates.source)
    of_honest = [each for each in report.gates if each.artifact == str(honest)]
    assert all(each.outcome == "passed" for each in of_honest if each.name in DIAGNOSES), of_honest
    assert any("all of class 4" in each.reason for each in failed(report, stale)), report.gates


def test_a_missing_activation_is_named(gates: Good, tmp_path: Path) -> None:
    images = fair_draw(gates.data, 0, 50)
    path = export(without_activation(gates.model, 1), images, tmp_path / "a.tflite")
    report, _ = judge([path], gates.folder / "float32.tflite", gates.source)
    assert any("ReLU behind" in each.reason for each in failed(report, path)), report.gates


@pytest.mark.slow
@pytest.mark.parametrize("file_format", FORMATS)
def test_every_fault_that_matters_is_caught_and_named(
    network: Good, file_format: str, tmp_path: Path
) -> None:
    rows = rows_of(network, file_format, faults_of(network, file_format), tmp_path)
    images = fair_draw(network.data, 0)
    others = {
        f"rescaling {name}": (rescaled(network.model, *given), images, "its rescaling")
        for name, given in RESCALINGS.items()
    }
    for label in (0, 4, 7):
        name = network.data.class_names[label]
        given = network.model, of_one_class(network.data, label), f"all of class {name}|range"
        others[f"stale {name}"] = given
    for number in (1, 2):
        bare = without_activation(network.model, number)
        others[f"no activation {number}"] = bare, images, "(ReLU|hard swish) behind"
    paths = {
        name: export(model, some, tmp_path / f"{name.replace(' ', '-')}.{file_format}")
        for name, (model, some, _) in others.items()
    }
    good = network.copy_of_int8(file_format, tmp_path)
    twin = network.folder / f"float32.{file_format}"
    report, answers = judge([good, *paths.values()], twin, network.source)
    rows += [
        Row(name, "", file_format, changed(answers[str(path)], answers[str(good)]),
            failed(report, path), others[name][2])
        for name, path in paths.items()
    ]  # fmt: skip
    check(rows)


@pytest.mark.slow
def test_honest_rebuilds_and_files_of_other_tools_raise_no_alarm(
    network: Good, tmp_path: Path
) -> None:
    found, count = [], 0
    for seed in range(TRIALS):
        paths = others_files(network, tmp_path, seed)
        for file_format in FORMATS:
            images = fair_draw(network.data, seed)
            paths.append(export(network.model, images, tmp_path / f"{seed}-own.{file_format}"))
        found += alarms(network, paths)
        count += len(paths)
    print(f"\n{len(found)} alarms over {count} honest files", *found, sep="\n")
    assert not found
