"""Doctor on files of a run: they are compared with the model that they were exported from."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from quantized_models import with_quantizers

from edgecv.analysis.doctor.records import (
    Diagnosis,
    Finding,
    KernelParity,
    LayerError,
    OperatorTime,
)
from edgecv.analysis.doctor.run_files import examined_file
from edgecv.analysis.doctor.text import to_text
from edgecv.analysis.options import DoctorOptions, ValidateOptions, doctor, validate
from edgecv.core.data import Images
from edgecv.core.errors import InputError
from edgecv.core.registry import EXPORTERS
from edgecv.core.report import Baseline, Report
from edgecv.reports.json_file import read_report, write_report
from edgecv.system.storage import seal


@pytest.fixture(scope="module")
def run(
    network: Any, pixels: Images, files: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a run folder of a model that was trained further before it was exported."""
    from edgecv.models.tf import load_tensorflow

    _, keras = load_tensorflow()
    folder = tmp_path_factory.mktemp("runs") / "trained-further"
    folder.mkdir()
    random = np.random.default_rng(0)
    trained = keras.models.clone_model(network)
    trained.set_weights(
        [each + random.normal(0, 0.1, each.shape) for each in network.get_weights()]
    )
    trained.save(folder / "compressed.keras")
    shutil.copy(files / "baseline.keras", folder)
    exporter = EXPORTERS.get("tflite", "test")(precision="int8")
    exporter.export(trained, pixels, folder / "int8.tflite")
    options = ValidateOptions(
        paths=(folder / "int8.tflite",), data=str(files / "data.npz"), threads=1
    )
    report = validate(options)
    (comparison,) = report.comparisons
    artifact = replace(comparison.artifact, path="int8.tflite", precision="int8")
    write_report(
        replace(
            report,
            recipe={**report.recipe, "technique": [{"technique": "prune"}]},
            baseline=Baseline("baseline.keras", 1, "accuracy", 0.5),
            comparisons=(replace(comparison, artifact=artifact),),
        ),
        folder / "report.json",
    )
    seal(folder)
    return folder


def errors(found: Diagnosis) -> set[str]:
    return {each.name for each in found.findings if each.severity == "error"}


def test_a_file_of_a_run_brings_them_too(run: Path) -> None:
    """It was read by its structure alone, and the remedies of findings said otherwise."""
    folder, file = (examined_file(DoctorOptions(path=path)) for path in (run, run / "int8.tflite"))
    assert file == folder
    assert file.source is not None
    for path in (run, run / "int8.tflite"):
        with pytest.raises(InputError, match="a run records how its own are read; leave them out"):
            doctor(DoctorOptions(path=path, preprocess="0..1"))


def test_a_file_whose_images_are_gone_is_read_by_its_structure(run: Path, tmp_path: Path) -> None:
    """Nobody but a program has arrays of its own; asked for layers, the file needs them."""
    folder = shutil.copytree(run, tmp_path / "run")
    report = read_report(folder)
    for kept, reason in (
        ({"source": "images", "path": "gone"}, "there is no gone; give --data"),
        ({"source": "arrays", "sha256": "0" * 64}, "arrays in a Python program"),
    ):
        changed = replace(report, recipe={**report.recipe, "data": kept})
        write_report(changed, folder / "report.json")
        seal(folder)
        found = examined_file(DoctorOptions(path=folder / "int8.tflite"))
        (note,) = (each for each in found.findings if each.name == "no-images")
        assert reason in note.observed
        assert (found.source, found.options.baseline) == (None, None)
    with pytest.raises(InputError, match="arrays in a Python program"):
        doctor(DoctorOptions(path=folder / "int8.tflite", fix=tmp_path / "fix.toml"))


def test_a_run_folder_brings_its_trained_model_and_its_images(run: Path) -> None:
    found = doctor(DoctorOptions(path=run))
    assert found.path == str(run / "int8.tflite")
    (reference,) = (each for each in found.findings if each.name == "reference")
    assert reference.where == str(run / "compressed.keras")
    assert len(found.layers) == 4
    assert min(each.sqnr_db for each in found.layers) > 15
    assert not errors(found)


def test_a_model_trained_with_quantizers_is_compared_without_them(
    run: Path, network: Any, pixels: Images, tmp_path: Path
) -> None:
    """Such a model is a .h5 file; ``edgecv doctor RUN`` after ``--qat`` once took the baseline."""
    from edgecv.models.tf import model_bytes
    from edgecv.techniques.quantizers.first_kernels import take_pixels

    folder = shutil.copytree(run, tmp_path / "run")
    (folder / "compressed.keras").unlink()
    model = with_quantizers(network)
    model(pixels.astype(np.float32), training=True)
    take_pixels(model)
    suffix, content = model_bytes(model)
    (folder / f"compressed{suffix}").write_bytes(content)
    EXPORTERS.get("tflite", "test")(precision="int8").export(model, pixels, folder / "int8.tflite")
    seal(folder)
    found = doctor(DoctorOptions(path=folder))
    (reference,) = (each for each in found.findings if each.name == "reference")
    assert reference.where == str(folder / "compressed.h5")
    assert len(found.layers) == 4
    remedies = [each.remedy for each in found.findings if each.name == "coarse-layer"]
    assert all("train for longer" in each for each in remedies)


def test_training_is_not_blamed_on_quantization(run: Path) -> None:
    """The original of the run is given by hand, as the page once said."""
    found = doctor(DoctorOptions(path=run / "int8.tflite", baseline=run / "baseline.keras"))
    assert not errors(found)
    assert min(each.sqnr_db for each in found.layers) > 15


def test_other_weights_are_said_where_there_is_no_run(
    run: Path, files: Path, tmp_path: Path
) -> None:
    path, nodes = Path(shutil.copy(run / "int8.tflite", tmp_path)), tmp_path / "nodes.json"
    options = DoctorOptions(
        path=path,
        baseline=files / "baseline.keras",
        data=str(files / "data.npz"),
        model_explorer=nodes,
    )
    found = doctor(options)
    assert not nodes.exists()
    (note,) = (each for each in found.findings if each.name == "model-explorer")
    assert "no layers were compared: the findings say why" in note.observed
    (other,) = (each for each in found.findings if each.name == "other-weights")
    assert other.severity == "warning"
    assert "--baseline (compressed.keras or compressed.h5 in the folder of its run)" in other.remedy
    assert not found.layers
    assert not errors(found)
    assert "nothing is wrong" not in to_text(found)


def test_warnings_are_counted() -> None:
    warning = Finding("a", "warning", "here", "this")
    images = KernelParity((), (), ())
    assert to_text(Diagnosis("x", (warning, warning), parity=images)).splitlines()[-2] == (
        "  2 warnings"
    )
    quiet = "nothing is wrong that edgecv doctor knows of"
    assert f"  {quiet}\n" in to_text(Diagnosis("x", (), parity=images))
    assert to_text(Diagnosis("x", ())).endswith(
        f"{quiet}; without --data, its answers and its layers were not looked at"
    )


@pytest.mark.quick
def test_a_name_of_a_file_is_no_line_of_the_text() -> None:
    forged = Finding("a", "note", "conv\n  error b, in dense:", "seen", "do\nthis")
    layers = (LayerError("x\ny", "", 9.0, 10.0, 1.0),)
    times = (OperatorTime("x\ny", "CONV_2D", 1.0),)
    text = to_text(Diagnosis("x", (forged,), layers, operators=times))
    assert len(text.splitlines()) == 9
    assert "in conv?  error b, in dense::" in text


def test_a_folder_without_a_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no run folder"):
        doctor(DoctorOptions(path=tmp_path))


def test_the_report_of_a_run_is_read_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgecv.analysis import described_files, validate_request
    from edgecv.analysis.doctor import run_files

    read: list[Path] = []

    def reader(folder: Path) -> Report:
        read.append(folder)
        return read_report(folder)

    for module in (validate_request, described_files, run_files):
        monkeypatch.setattr(module, "read_report", reader)
    ValidateOptions(paths=(run,)).request()
    assert read == [run]
    given = ValidateOptions(
        paths=(run / "int8.tflite",), baseline=run / "baseline.keras", data="digits"
    )
    assert given.request().baseline_is_of_run
    assert read == [run, run]
    options = DoctorOptions(path=run / "int8.tflite", data="digits")
    examined = run_files.examined_file(options)
    file = described_files.single_file(run / "int8.tflite", options.input_spec, examined.report)
    models = run_files.read_models(examined.options, file, examined.report)
    assert models.baseline == run / "compressed.keras"
    assert read == [run, run, run]
