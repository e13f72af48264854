"""TFLite Micro: its array, its operators, its arena, and the answers of its own interpreter."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deployed import deployed_file
from operator_files import OperatorFile

from edgecv.core.data import Images, Outputs
from edgecv.core.errors import InputError, StepError
from edgecv.core.plugins import DeployContext, DeployedFile
from edgecv.core.profile import Profile
from edgecv.formats.tflite.tables import TFLiteTables
from edgecv.targets.tflm import target as tflm
from edgecv.targets.tflm.interpreter import MicroAnswer, is_installed
from edgecv.targets.tflm.packing import CHANNELS
from edgecv.targets.tflm.resolver import method_of, resolver_lines
from edgecv.targets.tflm.target import Tflm

installed = pytest.mark.skipif(not is_installed(), reason="pip install tflite-micro")


def test_operators_of_the_body_of_a_loop_are_registered_too() -> None:
    """They were missing: Python's interpreter has all operators, and the board's had not."""
    file, parts = OperatorFile(), []
    given, looped = (file.tensor((1, 4), "float32") for _ in range(2))
    for kind in ("LESS", "TANH"):
        part = OperatorFile()
        ends = [part.tensor((1, 4), "float32"), part.tensor((1, 4), "float32")]
        part.operator(kind, ends[:1], ends[1])
        parts.append(file.subgraph(part, ends[:1], ends[1:]))
    numbers = {"condSubgraphIndex": parts[0], "bodySubgraphIndex": parts[1]}
    file.operator("WHILE", [given], looped, "WhileOptions", **numbers)
    tables = TFLiteTables(file.content([given], [looped]), "loop.tflite")
    assert [each.kind for each in tables.operators] == ["WHILE"]
    assert resolver_lines(tables.kinds_in_use) == ["AddLess()", "AddTanh()", "AddWhile()"]


def test_the_array_is_the_file_and_the_operators_are_its_own(
    answered: tuple[DeployedFile, Outputs], images: Images, context: DeployContext, tmp_path: Path
) -> None:
    pytest.importorskip("tflite_micro")
    file, expected = answered
    target = Tflm()
    target.check(file, None)
    target.build(file, tmp_path)
    source = (tmp_path / "edgecv_model.cc").read_text()
    numbers = re.findall(r"\d+", source.partition("= {")[2])
    assert bytes(map(int, numbers)) == file.path.read_bytes()
    resolver = (tmp_path / "edgecv_resolver.h").read_text()
    added = re.findall(r"resolver\.(\w+)\(\)", resolver)
    kinds = ["Conv2D", "FullyConnected", "MaxPool2D", "Reshape", "Softmax"]
    assert added == [f"Add{kind}" for kind in kinds]
    assert f"MicroMutableOpResolver<{len(kinds)}>" in resolver
    arena = re.search(r"kEdgecvArenaBytes = (\d+)", (tmp_path / "edgecv_model.h").read_text())
    assert arena is not None
    with target.open(file, tmp_path, context) as device:
        found = device.predict(images)
        assert device.facts.memory_bytes is not None
        assert 0 <= int(arena[1]) - device.facts.memory_bytes < 16
    # Its softmax rounds in another way than LiteRT's.
    assert np.abs(found.only - expected.only).max() <= 4 / 256


@installed
def test_weights_of_few_values_lie_in_tables(
    answered: tuple[DeployedFile, Outputs], images: Images, context: DeployContext, tmp_path: Path
) -> None:
    file, _ = answered
    content = file.path.read_bytes()
    with pytest.raises(InputError, match=r"no weights of few values.*--cluster 16"):
        Tflm(weights="lut").check(file, None)
    tables = TFLiteTables(content, "main")
    for operator in tables.operators:
        values = tables.values(operator.inputs[1]) if operator.kind in CHANNELS else None
        if values is not None:
            content = content.replace(values.tobytes(), (values & ~15).tobytes())
    path = tmp_path / "few.tflite"
    path.write_bytes(content)
    few = replace(file, path=path)
    target = Tflm(weights="lut")
    target.check(few, None)
    folder = tmp_path / "built"
    folder.mkdir()
    target.build(few, folder)
    size = re.search(r"kEdgecvModelBytes = (\d+)", (folder / "edgecv_model.h").read_text())
    assert size is not None
    assert int(size[1]) < 0.7 * len(content)
    assert "AddDecode()" in (folder / "edgecv_resolver.h").read_text()
    with target.open(few, folder, context) as device:
        found = device.predict(images)
        assert device.facts.flash_bytes == int(size[1])
        assert "every answer is that of the file" in device.facts.notes[0]
    with Tflm().open(few, folder, context) as plain:
        assert np.array_equal(found.only, plain.predict(images).only)


@installed
def test_tables_that_change_an_answer_are_refused(
    answered: tuple[DeployedFile, Outputs],
    images: Images,
    context: DeployContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = tflm.run_micro

    def changed(path: Path, inputs: Any, log: Path | None, *, packs: bool) -> MicroAnswer:
        answer = own(path, inputs, log)
        return replace(answer, rows=answer.rows ^ np.uint8(packs))

    monkeypatch.setattr(tflm, "run_micro", changed)
    with (
        Tflm(weights="lut").open(answered[0], tmp_path, context) as device,
        pytest.raises(StepError, match="another answer on 4 of 4 images with weights in tables"),
    ):
        device.predict(images)


@installed
def test_a_board_that_is_too_small_is_refused(answered: tuple[DeployedFile, Outputs]) -> None:
    small = Profile(title="Chip", core="M0", flash_bytes=2**20, ram_bytes=38_000, source="page")
    with pytest.raises(InputError, match=r"more than Chip has"):
        Tflm().check(answered[0], small)


@installed
def test_what_the_interpreter_refuses_is_wrong_input(tmp_path: Path) -> None:
    path = tmp_path / "int8.tflite"
    path.write_bytes(b"TFL3" * 300)
    with pytest.raises(InputError, match="TFLite Micro"):
        Tflm().check(deployed_file("tflite", path=path), None)


def test_without_the_package_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tflm, "is_installed", lambda: False)
    with pytest.raises(InputError, match=r'pip install "edgecv\[micro\]"'):
        Tflm().check(deployed_file("tflite"), None)


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("L2_POOL_2D", "AddL2Pool2D"),
        ("RESIZE_NEAREST_NEIGHBOR", "AddResizeNearestNeighbor"),
        ("SPACE_TO_BATCH_ND", "AddSpaceToBatchNd"),
        ("RELU6", "AddRelu6"),
        ("TRANSPOSE_CONV", "AddTransposeConv"),
        ("CUSTOM(TFLite_Detection_PostProcess)", "AddDetectionPostprocess"),
        ("CUSTOM(TFLM_DECODE)", "AddDecode"),
    ],
)
def test_operators_have_the_names_of_its_methods(kind: str, method: str) -> None:
    assert method_of(kind) == method
