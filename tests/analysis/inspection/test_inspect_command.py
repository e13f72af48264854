"""``edgecv inspect`` as people call it: any file, one line for a bad one, JSON and nothing else."""

import json
import os
import shutil
import subprocess
import sys
import time
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest
from paths import HOSTILE

from edgecv.analysis.inspection import read_file as input_spec
from edgecv.analysis.inspection.text import to_text
from edgecv.core.errors import InputError

SLOWEST_S = 20.0


def edgecv(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgecv", "inspect", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_several_files_are_shown_and_a_bad_one_is_a_line(exported, tmp_path: Path) -> None:
    names = ("int8.tflite", "int8.onnx")
    for name in names:
        shutil.copy(exported("modern", name), tmp_path / name)
    (tmp_path / "noise.tflite").write_bytes(np.random.default_rng(1).bytes(1000))
    done = edgecv(names[0], "noise.tflite", names[1], folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("edgecv: noise.tflite: is not a model: it begins with")
    assert done.stderr.count("\n") == 1
    for end in ("image", "probabilities"):  # Both formats, by the names of the signature.
        assert done.stdout.count(f" {end}: ") == 2
    assert "left in float: none" in done.stdout
    assert "958,560 multiply-accumulates" in done.stdout


def test_json_is_all_that_is_on_standard_output(exported, tmp_path: Path) -> None:
    shutil.copy(exported("modern", "float32.tflite"), tmp_path / "model.tflite")
    done = edgecv("model.tflite", "missing.onnx", "--json", folder=tmp_path)
    assert done.returncode == 2
    table = json.loads(done.stdout)
    assert list(table) == ["schema_version", "files", "failures"]
    (file,) = table["files"]
    assert file["path"] == "model.tflite"
    assert file["bytes"] == (tmp_path / "model.tflite").stat().st_size
    assert file["macs"] == 958_560
    assert len(file["by_arithmetic"]["float"]) == len(file["operators"]) == 10
    assert table["failures"][0]["path"] == "missing.onnx"


def test_a_keras_file_by_its_content_and_with_nothing_but_json(exported, tmp_path: Path) -> None:
    shutil.copy(exported("plain", "m.keras"), tmp_path / "model.bin")
    done = edgecv("model.bin", "--json", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (file,) = json.loads(done.stdout)["files"]
    assert (file["format"], file["macs"], file["parameters"]) == ("keras", 77_600, 7_876)


@pytest.mark.parametrize("name", ["float32.tflite", "float32.onnx"])
def test_a_wrong_suffix_does_not_matter(exported, name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    shutil.copy(exported("modern", name), path)
    found = input_spec.inspect(path)
    assert found.contents.format == name.rpartition(".")[2]
    assert f"{path}: " in to_text(found)


BAD = {
    "empty.onnx": (b"", "is empty"),
    "noise.h5": (b"\x00" * 100, "is not a model"),
    "text.tflite": (b"hello, world", "is not a model"),
    "noise.tflite": (b"\x18\x00\x00\x00TFL3" + bytes(range(200)), "damaged TFLite"),
    "noise.onnx": (b"\x08" + bytes(range(250)), "damaged ONNX"),
    "short.onnx": (b"\x08\x09", "damaged ONNX"),
    "cut.keras": (b"PK\x03\x04" + b"\x00" * 100, "damaged Keras"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_a_model_is_one_line(name: str, tmp_path: Path) -> None:
    content, message = BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        input_spec.inspect(path)
    assert caught.value.where == str(path)
    assert "\n" not in str(caught.value)


def test_folders_pipes_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "int8.tflite").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.onnx")
    for path, message in (
        (tmp_path, "is a folder.*int8.tflite"),
        (tmp_path / "pipe.onnx", "is a FIFO"),
        (tmp_path / "missing.onnx", "no such file"),
    ):
        with pytest.raises(InputError, match=message):
            input_spec.inspect(path)


def test_names_cannot_move_the_cursor(tmp_path: Path) -> None:
    from foreign_models import onnx_model
    from onnx import helper

    escape = "\x1b[2J\nname"
    model = onnx_model([helper.make_node("Relu", [escape], ["y"])], {escape: [1]}, {"y": [1]})
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    assert "\x1b" not in to_text(input_spec.inspect(path))


PROGRAM = "edgecv.system.isolation.process.PROGRAM"
READY = """
import os, sys, time
sys.path.insert(0, sys.argv[2])
import numpy as np
from edgecv.system.isolation.protocol import *
def answer(text): write_all(1, pack({'kind': 'answer'}, [np.frombuffer(text, np.uint8)]))
write_all(1, pack({'kind': 'ready'}))
unpack(lambda count: read_exactly(0, count))
"""
BUSY = """
import itertools, sys
sys.path.insert(0, sys.argv[2])
from edgecv.analysis.inspection import child
from edgecv.formats.tflite import inspect as tflite
tflite.read = lambda *given: sum(itertools.repeat(0))
child.main()
"""


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (READY + "time.sleep(60)", "did not answer within 4 s while reading it"),
        (BUSY, "took more than 1 s of computing while reading it"),
    ],
    ids=["idle", "busy"],
)
def test_a_reader_that_never_ends_is_ended(
    exported, program: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if program is BUSY:
        monkeypatch.setattr(input_spec, "WAITING", 60)
    monkeypatch.setattr(PROGRAM, program)
    monkeypatch.setattr(input_spec, "SECONDS", 1)
    began = time.monotonic()
    with pytest.raises(InputError, match=message):
        input_spec.inspect(exported("modern", "float32.tflite"))
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import os; os.abort()", "could not start: died of SIGABRT"),
        (READY + "os.abort()", "died of SIGABRT while reading it"),
        (READY + "sys.exit('no idea')", "status 1 while reading it: no idea"),
        (READY + "print('nonsense' * 9)", "answered nonsense"),
        (READY + "answer(b'{\"contents\": {}}')", "answered nonsense"),
        (READY + "answer(b'[]')", "answered nonsense"),
    ],
)
def test_a_reader_that_dies_or_lies_is_one_line(
    exported, program: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PROGRAM, program)
    with pytest.raises(InputError, match=message):
        input_spec.inspect(exported("modern", "float32.tflite"))


def test_a_file_that_eats_memory_is_ended(exported, monkeypatch: pytest.MonkeyPatch) -> None:
    greedy = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from edgecv.analysis.inspection import child\n"
        "from edgecv.formats.tflite import inspect as tflite\n"
        "tflite.read = lambda *given: bytearray(2**31)\n"
        "child.main()"
    )
    monkeypatch.setattr(PROGRAM, greedy)
    with pytest.raises(InputError, match=r"needs more than 1\.0 GiB of memory"):
        input_spec.inspect(exported("modern", "float32.tflite"))


@pytest.mark.skipif(not HOSTILE.exists(), reason=f"needs {HOSTILE}, not part of the project")
@pytest.mark.parametrize("name", sorted(p.name for p in HOSTILE.glob("*.*") if p.suffix != ".md"))
def test_a_hostile_file_is_shown_or_is_a_line(name: str) -> None:
    began = time.monotonic()
    try:
        text = to_text(input_spec.inspect(HOSTILE / name))
    except InputError as error:
        text = str(error)
        assert "\n" not in text
    assert "Traceback" not in text
    assert time.monotonic() - began < SLOWEST_S


@pytest.mark.parametrize("width", [80, 130])
def test_a_table_fits_the_terminal_and_keeps_its_numbers(exported, width: int) -> None:
    found = input_spec.inspect(exported("vww", "int8.tflite"))
    head, table = to_text(found, width).split("\n\n")
    counts = [f"{each.macs:,}" for each in found.contents.operators if each.macs]
    rows = list(takewhile(lambda line: "with gzip -9" not in line, table.splitlines()))
    assert max(map(len, rows)) <= width
    assert [word for row in rows for word in row.split() if word in counts] == counts
    assert "activations" in table
    assert head.startswith(found.path)


def test_a_folder_of_a_saved_model_is_read_and_not_loaded(tmp_path: Path) -> None:
    from edgecv.models.tf import load_tensorflow

    tensorflow, _ = load_tensorflow()
    module = tensorflow.Module()
    module.kernel = tensorflow.Variable(np.ones((3, 3, 3, 4), np.float32))
    scales = tensorflow.constant(np.linspace(0, 1, 4, dtype=np.float32))

    @tensorflow.function(input_signature=[tensorflow.TensorSpec((None, 8, 8, 3), name="image")])
    def serve(image):
        made = tensorflow.nn.conv2d(image, module.kernel, 1, "VALID") * scales
        return {"classes": tensorflow.reduce_mean(made, (1, 2))}

    folder = tmp_path / "exported"
    tensorflow.saved_model.save(module, str(folder), {"serving_default": serve})
    done = edgecv("exported", "--json", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (file,) = json.loads(done.stdout)["files"]
    (taken,), (given,) = file["inputs"], file["outputs"]
    assert (taken["name"], taken["shape"], taken["type"]) == ("image", [-1, 8, 8, 3], "float32")
    assert (given["name"], given["shape"]) == ("classes", [-1, 4])
    assert (file["format"], file["parameters"]) == ("saved_model", 108 + 4)
    kinds = {each["type"]: each["macs"] for each in file["operators"]}
    assert kinds == {"Conv2D": 6 * 6 * 4 * 27, "Mul": 0, "Mean": 0}
    assert (file["macs"], file["image"]["shape"]) == (3888, [8, 8, 3])
    assert file["bytes"] == sum(e.stat().st_size for e in folder.rglob("*") if e.is_file())
    shown = edgecv("exported", folder=tmp_path)
    assert "exported: SavedModel, made by TensorFlow" in shown.stdout
    assert "112 parameters" in shown.stdout
    (folder / "saved_model.pb").write_bytes(b"\xff" * 50)
    broken = edgecv("exported", folder=tmp_path)
    assert broken.returncode == 2
    assert "damaged SavedModel" in broken.stderr
