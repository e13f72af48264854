"""A bundle is proven, complete, and runs without edgecv."""

import ast
import json
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from contextlib import nullcontext
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deployed import deployed_file
from operator_files import OperatorFile

from edgecv.acceptance.verify import verify
from edgecv.analysis.deploy.difference import changes
from edgecv.analysis.deploy.place import Place
from edgecv.analysis.options import DeployOptions, deploy
from edgecv.core.artifact import TensorFacts
from edgecv.core.data import Images, Outputs
from edgecv.core.errors import InputError, StepError
from edgecv.core.plugins import DeployContext
from edgecv.core.preprocessing import NAMED
from edgecv.core.registry import TARGETS, TASKS
from edgecv.core.report import Report
from edgecv.targets.bundle import process
from edgecv.targets.bundle.metadata import model_metadata
from edgecv.targets.bundle.page import LITERT, ONNX
from edgecv.targets.bundle.process import BundleProcess
from edgecv.targets.bundle.target import Bundle

IMAGES = 40


@pytest.fixture(scope="module")
def run(output: Path, main_report: Report) -> Path:
    return output / "main"


@pytest.fixture(scope="module")
def bundle(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    """Return the report of a deployment of a run, and its folder."""
    folder = tmp_path_factory.mktemp("deployed") / "digits"
    return deployed(run, folder), folder


def deployed(path: Path, folder: Path, **options: Any) -> Report:
    given = {"paths": (path,), "to": "bundle", "out": folder, "images": IMAGES, **options}
    return deploy(DeployOptions(**given))


def program(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a bundle's program as a stranger does: without edgecv on the path."""
    others = {key: each for key, each in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-P", "predict.py", *arguments],
        cwd=folder, env=others, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_device_is_a_row_with_the_answers_of_this_machine(bundle: tuple[Report, Path]) -> None:
    report, folder = bundle
    assert report.outcome == "passed"
    assert [each.artifact.path for each in report.comparisons] == [
        "float32.tflite", "int8.tflite", "int8.tflite on bundle",
    ]  # fmt: skip
    here, there = report.comparisons[1:]
    assert there.runtime.startswith("LiteRT ")
    assert (there.value, there.agreement) == (here.value, here.agreement)
    assert there.latency is not None
    assert there.speedup is None
    found = report.deployment
    assert found is not None
    assert found.same_answers == found.equal_outputs == found.images == IMAGES
    # Its own, not that of the tests which started it.
    assert 2**24 < (found.memory_bytes or 0) < 2**27
    assert found.folder == str(folder)
    assert "int8.tflite on bundle" in (folder / "report.md").read_text()
    assert verify(folder).files > 60


def test_its_program_agrees_with_the_golden_answers(bundle: tuple[Report, Path]) -> None:
    _, folder = bundle
    done = program(folder, "--self-test")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("20 of 20 golden answers agree, 20 of them byte for byte")
    answer = program(folder, "golden/00.png")
    assert answer.stdout.startswith("golden/00.png: ")
    assert verify(folder), "running it leaves nothing behind"
    refused = program(folder, "none.png", "labels.txt", "golden/00.png")
    assert refused.returncode == 2
    assert refused.stdout == answer.stdout
    assert "none.png: is no image that can be read" in refused.stderr
    assert "labels.txt: is no image that can be read" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_self_test_counts_what_differs(bundle: tuple[Report, Path], tmp_path: Path) -> None:
    copy = shutil.copytree(bundle[1], tmp_path / "copy")
    golden = copy / "golden" / "03.output0.bin"
    golden.write_bytes(golden.read_bytes()[::-1])
    done = program(copy, "--self-test")
    assert done.returncode == 1
    assert done.stdout.startswith("19 of 20 golden answers agree, 19 of them")
    assert "another answer for golden/03.png" in done.stdout


def test_the_page_is_enough_for_an_inference(bundle: tuple[Report, Path]) -> None:
    _, folder = bundle
    page = (folder / "README.md").read_text("utf-8")
    blocks = [part.split("```")[0] for part in page.split("```python\n")[1:]]
    assert len(blocks) == 2
    stored = np.fromfile(folder / "golden" / "00.output0.bin", "int8")
    for code in blocks:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert str(stored[0]) in done.stdout


@pytest.mark.quick
def test_the_page_runs_a_file_that_leaves_its_size_open(tmp_path: Path) -> None:
    made = OperatorFile()
    image, axes = made.tensor((1, -1, -1, 3), "float32"), made.constant(np.array([1, 2], np.int32))
    output = made.tensor((1, 3), "float32")
    made.operator("MEAN", [image, axes], output, "ReducerOptions", keepDims=False)
    (tmp_path / "model.tflite").write_bytes(made.content([image], [output]))
    (tmp_path / "golden").mkdir()
    np.full((1, 8, 8, 3), 7, np.float32).tofile(tmp_path / "golden" / "00.input.bin")
    code = LITERT.format(file="model.tflite", type="float32", shape=[1, 8, 8, 3])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "[[7. 7. 7.]]" in done.stdout, done.stderr


@pytest.mark.quick
def test_the_name_of_an_input_is_no_code_of_the_page() -> None:
    name = 'x": 0}); print("\n```'
    code = ONNX.format(file="model.onnx", type="float32", shape=[1, 8, 8, 3], name=name)
    (named,) = (each for each in ast.walk(ast.parse(code)) if isinstance(each, ast.Dict))
    assert ast.literal_eval(named.keys[0]) == name  # type: ignore[arg-type]
    assert len(code.splitlines()) == 7


def test_an_independent_reader_finds_labels_and_normalization(bundle: tuple[Report, Path]) -> None:
    content = (bundle[1] / "model.tflite").read_bytes()
    model = Table(content, struct.unpack_from("<I", content)[0])
    entry = next(each for each in model.tables(6) if each.text(0) == b"TFLITE_METADATA")
    buffer = model.tables(4)[entry.number(1)]
    start, count = buffer.vector(0)
    assert start % 16 == 0
    data = content[start : start + count]
    assert data[4:8] == b"M001"
    metadata = Table(data, struct.unpack_from("<I", data)[0])
    (graph,) = metadata.tables(3)
    (taken,), (given,) = graph.tables(2), graph.tables(3)
    normalization = taken.tables(4)[0].table(1)
    assert [normalization.floats(field) for field in (0, 1)] == [[0.0], [1.0]]
    assert taken.table(3).table(1).number(0, "<b") == 1, "RGB"
    (labels,) = given.tables(6)
    assert (labels.text(0), labels.number(2, "<b")) == (b"labels.txt", 2)
    card = json.loads((bundle[1] / "model.json").read_text())
    assert (card["bytes"], card["sha256"]) == (len(content), sha256(content).hexdigest())
    with zipfile.ZipFile(bundle[1] / "model.tflite") as archive:
        assert archive.read("labels.txt") == (bundle[1] / "labels.txt").read_bytes()


@pytest.mark.quick
def test_metadata_give_labels_to_the_output_that_they_name_alone() -> None:
    """Boxes are four numbers: with four classes each side of a box had the name of one."""
    file = deployed_file("tflite", labels=("a", "b", "c", "d"))
    boxes, scores = TensorFacts("boxes", (1, 9, 4), "float32"), file.facts.outputs[0]
    facts = replace(file.facts, outputs=(boxes, scores), answers=((9, 4), (4,)))
    cases = (("detection", (boxes, scores), ((9, 4), (4,))), ("classification", (scores,), ((4,),)))
    for task, outputs, answers in cases:
        facts = replace(file.facts, outputs=outputs, answers=answers)
        named = replace(file, facts=facts, task=TASKS.parse({"task": task}, "--task"))
        data = model_metadata(named)
        (graph,) = Table(data, struct.unpack_from("<I", data)[0]).tables(3)
        found = [each.number(6) != 0 for each in graph.tables(3)]
        assert found == ([False, False] if task == "detection" else [True])


@pytest.mark.quick
def test_names_stand_with_the_output_whose_numbers_they_name() -> None:
    """model.json named the sides of boxes after the classes, as they are the first output."""
    file = deployed_file("tflite")
    boxes, scores = TensorFacts("boxes", (1, 9, 4), "float32"), file.facts.outputs[0]
    assert file.names_of(0) == ("a", "b", "c")
    facts = replace(file.facts, outputs=(boxes, scores), answers=((9, 4), (9, 3)))
    several = replace(file, facts=facts, task=TASKS.parse({"task": "detection"}, "--task"))
    assert [several.names_of(number) for number in range(2)] == [(), ("a", "b", "c")]
    heads = replace(several, names={"probabilities": ("x", "y", "z"), "boxes": ()})
    assert [heads.names_of(number) for number in range(2)] == [(), ("x", "y", "z")]
    unlike = replace(several, labels=("a", "b"))
    assert [unlike.names_of(number) for number in range(2)] == [(), ()]


@pytest.mark.quick
@pytest.mark.parametrize(
    ("channels", "preprocess", "colours", "said"),
    [
        (1, "0..1", 2, "grey"),
        (3, "imagenet", 1, "RGB"),
        (3, "caffe", 0, "BGR"),
        (4, "0..1", 0, "RGBA"),
    ],
)
def test_metadata_name_no_colours_that_the_file_does_not_take(
    channels: int, preprocess: str, colours: int, said: str
) -> None:
    file = deployed_file("tflite")
    facts = replace(file.facts, image=(8, 8, channels))
    data = model_metadata(replace(file, facts=facts, preprocess=NAMED[preprocess]))
    (graph,) = Table(data, struct.unpack_from("<I", data)[0]).tables(3)
    (taken,) = graph.tables(2)
    assert taken.table(3).table(1).number(0, "<b") == colours
    assert taken.text(1).decode().endswith(f" {said}")


class Table:
    """A table of a flatbuffer, read by hand from the format's description."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data, self._place = data, place
        fields = place - struct.unpack_from("<i", data, place)[0]
        (length,) = struct.unpack_from("<H", data, fields)
        self._slots = struct.unpack_from(f"<{length // 2 - 2}H", data, fields + 4)

    def number(self, field: int, kind: str = "<I") -> int:
        slot = self._slots[field] if field < len(self._slots) else 0
        return struct.unpack_from(kind, self._data, self._place + slot)[0] if slot else 0

    def _target(self, field: int) -> int:
        place = self._place + self._slots[field]
        return place + struct.unpack_from("<I", self._data, place)[0]

    def table(self, field: int) -> "Table":
        return Table(self._data, self._target(field))

    def vector(self, field: int) -> tuple[int, int]:
        place = self._target(field)
        return place + 4, struct.unpack_from("<I", self._data, place)[0]

    def tables(self, field: int) -> list["Table"]:
        start, count = self.vector(field)
        places = range(start, start + 4 * count, 4)
        return [
            Table(self._data, at + struct.unpack_from("<I", self._data, at)[0]) for at in places
        ]

    def text(self, field: int) -> bytes:
        start, count = self.vector(field)
        return self._data[start : start + count]

    def floats(self, field: int) -> list[float]:
        start, count = self.vector(field)
        return list(struct.unpack_from(f"<{count}f", self._data, start))


def test_a_zip_of_an_onnx_file(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "digits.zip"
    given = {"data": "digits", "labels": run / "labels.txt"}
    report = deployed(run / "int8.onnx", path, **given)
    assert report.deployment is not None
    assert report.deployment.equal_outputs == IMAGES
    assert [each.name for each in tmp_path.iterdir()] == ["digits.zip"]
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path)
    assert verify(tmp_path / "digits")
    done = program(tmp_path / "digits", "--self-test")
    assert done.stdout.startswith("20 of 20 golden answers agree, 20 of them byte for byte (ONNX")


def test_nothing_is_replaced_but_a_deployment(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "home"
    other.mkdir()
    (other / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="is there already"):
        deployed(run, other)
    with pytest.raises(InputError, match="is no deployment of edgecv"):
        deployed(run, other, force=True)
    assert (other / "letter.txt").read_text() == "dear"


@pytest.mark.quick
@pytest.mark.parametrize("suffix", ["", ".zip"])
def test_force_replaces_no_run_and_no_archive_of_others(suffix: str, tmp_path: Path) -> None:
    deployment = ["manifest.json", "report.json", "model.json"]
    for number, names in enumerate((["a.jpg"], [*deployment, "recipe.toml"], ["report.json"])):
        with pytest.raises(InputError, match="is no deployment of edgecv"):
            Place(folder_of(names, tmp_path / f"{number}{suffix}"), force=True).check()
    Place(folder_of(deployment, tmp_path / f"deployment{suffix}"), force=True).check()


def folder_of(names: list[str], path: Path) -> Path:
    """Write a folder of empty files, or a .zip of one; return its path."""
    folder = path.with_suffix("")
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    if path.suffix:
        shutil.make_archive(str(folder), "zip", folder.parent, folder.name)
    return path


def test_a_run_that_was_changed_is_refused(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "labels.txt").write_text("changed\n")
    with pytest.raises(InputError, match="is not the file that the run wrote"):
        deployed(copy, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"to": "bundel"}, 'unknown target "bundel".*did you mean "bundle"'),
        ({"to": None}, "--to: is needed"),
        ({"to": "bundle:x"}, "bundle has no address"),
        ({"artifact": "int9.tflite"}, 'has no "int9.tflite".*did you mean "int8.tflite"'),
        ({"profile": "nrf5304-dk"}, 'did you mean "nrf5340-dk"'),
    ],
)
def test_wrong_input_is_named(run: Path, tmp_path: Path, options: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        deployed(run, tmp_path / "out", **options)


def test_a_board_that_is_too_small_is_refused_before_anything_is_built(
    run: Path, tmp_path: Path
) -> None:
    board = tmp_path / "board.toml"
    board.write_text(
        'title = "Tiny"\ncore = "M0"\nflash_bytes = 2_000_000\nram_bytes = 20_000\nsource = "-"\n'
    )
    with pytest.raises(
        InputError, match=r"36,000 bytes of memory while MAX_POOL_2D .* 16,000 more"
    ):
        deployed(run, tmp_path / "out", profile=str(board))
    assert [each.name for each in tmp_path.iterdir()] == ["board.toml"]


class Wrong(BundleProcess):
    """A device that turns its answers around."""

    def predict(self, images: Images) -> Outputs:
        found = super().predict(images)
        return Outputs({name: each[:, ::-1].copy() for name, each in found.arrays.items()})


class WrongBundle(Bundle):
    """A bundle on a device with another answer."""

    name = "wrong"

    def open(self, file: Any, folder: Path, context: Any) -> Any:
        assert 0 < file.seconds < 1
        return nullcontext(Wrong(file, folder, context))


def test_a_device_with_other_answers_fails(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TARGETS.own, "wrong", WrongBundle)  # type: ignore[arg-type]
    given = {"data": "digits", "labels": run / "labels.txt", "to": "wrong", "min_same": 0.9}
    report = deployed(run / "int8.tflite", tmp_path / "out", **given)
    assert report.outcome == "failed"
    failed = {
        (gate.name, gate.artifact.split()[-1]) for gate in report.gates if gate.outcome == "failed"
    }
    assert ("same_answers", "wrong") in failed
    assert ("max_drop_points", "wrong") in failed
    assert json.loads((tmp_path / "out" / "report.json").read_text())["outcome"] == "failed"


def test_a_program_that_dies_leaves_nothing(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: BundleProcess, path: Path, count: int) -> Any:
        raise StepError("predict.py", "gives no arrays")

    monkeypatch.setattr(BundleProcess, "_read", broken)
    given = {"data": "digits", "labels": run / "labels.txt"}
    with pytest.raises(StepError):
        deployed(run / "int8.tflite", tmp_path / "out" / "deep", **given)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit(7)", "ends with status 7"),
        ("import sys; sys.exit('no runtime')", "no runtime"),
        ("pass", "gives no arrays"),
        ("import numpy as n, sys; n.savez(sys.argv[4], output0=n.zeros(9**7))", "more than"),
        ("import numpy as n, sys; n.savez(sys.argv[4], runtime='x', memory_bytes=1)", "no output"),
        ("import numpy as n, sys; n.savez(sys.argv[4], runtime=1)", "does not name its runtime"),
        (
            "import numpy as n, sys; n.savez(sys.argv[4], runtime='x', memory_bytes=n.nan)",
            "not name",
        ),
    ],
)
def test_a_program_is_not_trusted(tmp_path: Path, code: str, said: str) -> None:
    (tmp_path / "predict.py").write_text(code)
    started = BundleProcess(deployed_file("tflite"), tmp_path, DeployContext(lambda *text: None))
    with pytest.raises(StepError, match=said):
        started.predict(np.zeros((2, 8, 8, 1), np.uint8))


@pytest.mark.quick
@pytest.mark.parametrize(
    ("seconds", "said"), [(0.0, "does not end within 0 s"), (1.0, "no arrays")]
)
def test_a_file_that_is_slow_here_has_more_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, said: str
) -> None:
    monkeypatch.setattr(process, "SECONDS", 0)
    monkeypatch.setattr(process, "SECONDS_AN_IMAGE", 0)
    (tmp_path / "predict.py").touch()
    file = deployed_file("tflite", seconds=seconds)
    started = BundleProcess(file, tmp_path, DeployContext(lambda *text: None))
    with pytest.raises(StepError, match=said):
        started.predict(file.golden)


def test_a_new_bundle_is_compared_with_an_old_one(
    bundle: tuple[Report, Path], tmp_path: Path
) -> None:
    old = bundle[1]
    assert changes(old, old) == []
    new = shutil.copytree(old, tmp_path / "new")
    card = json.loads((new / "model.json").read_text())
    card["inputs"][0]["zero_point"] = 3
    (new / "model.json").write_text(json.dumps(card))
    golden = new / "golden" / "03.output0.bin"
    golden.write_bytes(np.roll(np.frombuffer(golden.read_bytes(), "int8"), 1).tobytes())
    (new / "labels.txt").write_text("a\n")
    assert dict(changes(old, new)) == {
        "inputs[0] zero_point": "-128 -> 3",
        "labels.txt": "10 names -> 1 name, or other names",
        "answers": "1 of 20 golden images get another answer",
    }


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model.json", "{", "model.json: is damaged"),
        ("model.json", '{"format": 1, "task": {}, "inputs": [], "outputs": []}', '"inputs"'),
        ("golden/00.output0.bin", "xx", "has 2 bytes"),
        ("labels.txt", None, "cannot be read"),
    ],
)
def test_a_bundle_of_a_stranger_is_not_trusted(
    bundle: tuple[Report, Path], tmp_path: Path, name: str, content: str | None, said: str
) -> None:
    copy = shutil.copytree(bundle[1], tmp_path / "copy")
    (copy / name).unlink()
    if content is not None:
        (copy / name).write_text(content)
    with pytest.raises(InputError, match=said):
        changes(bundle[1], copy)


def test_a_damaged_zip_of_a_stranger_is_wrong_input(
    bundle: tuple[Report, Path], tmp_path: Path
) -> None:
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bundle/model.json", "x" * 1000)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"x" * 1000, b"x" * 999 + b"y", 1))
    with pytest.raises(InputError, match=r"model\.json: is damaged in the zip: Bad CRC"):
        changes(bundle[1], path)
