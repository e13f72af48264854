"""``edgecv pack``: files of any maker, packed in a child process and run before and after."""

import json
from pathlib import Path

import pytest
from paths import HOSTILE, SHARED

from edgecv.analysis.deploy.place import Place
from edgecv.analysis.doctor.checks import check_paths
from edgecv.analysis.options import DoctorOptions, PackOptions
from edgecv.analysis.packing import pack_file as pack_module
from edgecv.analysis.packing.pack_file import pack_file, to_text
from edgecv.core.errors import InputError
from edgecv.reports.files import write_page
from edgecv.system.storage import Store, check_outside_runs, check_seal, seal

CASES = SHARED / "cases"
needs_cases = pytest.mark.skipif(
    not CASES.is_dir(), reason=f"needs {CASES}, which is not part of the project"
)
DETECTION = CASES / "detection_four_outputs.tflite"


@needs_cases
def test_a_detector_with_a_custom_operator_is_smaller_and_the_same(tmp_path: Path) -> None:
    packed, names = tmp_path / "small.tflite", tmp_path / "names.json"
    found = pack_file(PackOptions(file=DETECTION, output=packed, names=names))
    assert found.bytes_after == packed.stat().st_size < 0.95 * DETECTION.stat().st_size
    assert found.same_answers == ("litert, XNNPACK", "litert, builtin")
    assert not found.not_run
    assert "the same bytes out for 8 random inputs" in to_text("a", found)
    (table,) = json.loads(names.read_text())
    assert table["StatefulPartitionedCall:0"] == "StatefulPartitionedCall:0"
    assert any("conv2d" in name for name in table)
    again = pack_file(PackOptions(file=packed, output=tmp_path / "again.tflite"))
    assert again.output is None
    assert "nothing was written" in to_text("a", again)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["names.json", "small.tflite"]


@needs_cases
def test_an_onnx_file_is_packed_and_one_with_weights_beside_it_is_left(tmp_path: Path) -> None:
    found = pack_file(
        PackOptions(file=CASES / "channels_first.onnx", output=tmp_path / "small.onnx")
    )
    assert found.bytes_after < found.bytes_before
    assert found.same_answers
    with pytest.raises(InputError, match="is left as it is: it keeps weights in another file"):
        pack_file(PackOptions(file=CASES / "external.onnx", output=tmp_path / "other.onnx"))


@needs_cases
def test_the_folder_of_a_run_gets_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, here = tmp_path / "run", tmp_path / "here"
    run.mkdir()
    here.mkdir()
    (run / "manifest.json").write_text("{}")
    (run / "m.tflite").write_bytes(DETECTION.read_bytes())
    monkeypatch.chdir(here)
    assert pack_file(PackOptions(file=run / "m.tflite")).output == "m-packed.tflite"
    assert [each.name for each in here.iterdir()] == ["m-packed.tflite"]
    assert len(list(run.iterdir())) == 2


@pytest.mark.quick
def test_nothing_is_written_into_a_sealed_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside of the folder of a run "beside it" was that folder, and the run was none any more."""
    run, other = tmp_path / "run", tmp_path / "extension"
    for folder in (run, other):
        (folder / "deeper").mkdir(parents=True)
        for name in ("m.tflite", "deeper/m.tflite"):
            (folder / name).write_bytes(b"\0\0\0\0TFL3")
    seal(run)
    (other / "manifest.json").write_text('{"manifest_version": 3}')
    monkeypatch.chdir(run)
    page, packed = run / "report.html", other / "packed.tflite"
    named = PackOptions(file=other / "m.tflite", output=packed, names=page)
    for flag, attempt in (
        ("--output", lambda: pack_file(PackOptions(file=Path("m.tflite")))),
        ("--out", Place(Path("deployed") / "m-c").check),
        ("--names", lambda: pack_file(named)),
        ("--output", lambda: Store.at("exported")),
        ("--output", lambda: Store.at(str(run))),
        ("--sarif", lambda: check_paths(DoctorOptions(path=other / "m.tflite", sarif=page))),
        ("--to", lambda: write_page("", page)),
        ("--markdown", lambda: check_outside_runs(run / "deeper" / "a.md", "--markdown")),
    ):
        with pytest.raises(InputError, match=f"^{flag}: .* is in run, a run, which is sealed"):
            attempt()
    check_seal(run)
    check_outside_runs(other / "a.md", "--markdown")


@pytest.mark.slow
@pytest.mark.skipif(not HOSTILE.is_dir(), reason=f"needs {HOSTILE}")
@pytest.mark.parametrize("path", sorted(HOSTILE.glob("*.tflite")), ids=lambda path: path.stem)
def test_a_hostile_file_ends_a_child_alone(path: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.tflite"
    try:
        found = pack_file(PackOptions(file=path, output=output))
    except InputError:
        assert not output.exists()
    else:
        assert found.output == str(output)


@needs_cases
def test_wrong_input_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    there, damaged = tmp_path / "there.tflite", tmp_path / "damaged.tflite"
    there.write_bytes(b"mine")
    damaged.write_bytes(DETECTION.read_bytes()[:5000])
    with pytest.raises(InputError, match="--force replaces it"):
        pack_file(PackOptions(file=DETECTION, output=there))
    assert there.read_bytes() == b"mine"
    new = tmp_path / "new.tflite"
    for names in (DETECTION, tmp_path / ".." / tmp_path.name / "new.tflite"):
        with pytest.raises(InputError, match="tflite is a model"):
            pack_file(PackOptions(file=DETECTION, output=new, names=names, force=True))
    with pytest.raises(InputError, match="edgecv compress converts a model"):
        pack_file(PackOptions(file=CASES / "keras3.h5"))
    with pytest.raises(InputError, match="refers to something beyond its end"):
        pack_file(PackOptions(file=damaged))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["damaged.tflite", "there.tflite"]


@pytest.mark.quick
@pytest.mark.parametrize("flag", ["output", "names"])
def test_a_file_that_cannot_be_written_is_refused_before_packing(
    flag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was refused after packing and running, and the packed file was there by then."""
    file, folder = tmp_path / "m.tflite", tmp_path / "folder"
    file.write_bytes(b"\x1c\0\0\0TFL3")
    folder.mkdir()
    monkeypatch.setattr(pack_module, "_packed", lambda *given, **other: pytest.fail("packed"))
    with pytest.raises(InputError, match=f"--{flag}: there is no folder .*missing"):
        pack_file(PackOptions(file=file, **{flag: tmp_path / "missing" / "x"}))
    with pytest.raises(InputError, match=f"--{flag}: .* is a folder"):
        pack_file(PackOptions(file=file, force=True, **{flag: folder}))


LIAR = """
import json, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from edgecv.analysis.packing.records import PackedFile
from edgecv.system.isolation.codec import encode
from edgecv.system.isolation.server import ActionServer
def pack(out, **given):
    {written}
    return encode(PackedFile, PackedFile(10**6, 1))
ActionServer("packing").serve({{"pack": pack}})
"""


@needs_cases
def test_what_a_child_has_written_counts_and_not_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, asked = (
        "edgecv.system.isolation.process.PROGRAM",
        PackOptions(file=DETECTION, output=tmp_path / "o.tflite"),
    )
    monkeypatch.setattr(program, LIAR.format(written="pass"))
    with pytest.raises(InputError, match="no packed file is there"):
        pack_file(asked)
    monkeypatch.setattr(program, LIAR.format(written="Path(out).write_bytes(bytes(10**6))"))
    found = pack_file(asked)
    assert (found.bytes_before, found.bytes_after) == (DETECTION.stat().st_size, 10**6)
    assert not list(tmp_path.iterdir())
