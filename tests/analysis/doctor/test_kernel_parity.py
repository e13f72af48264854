"""Files of one model under all kernels, each in a child of its own."""

from pathlib import Path

import pytest
from paths import HOSTILE

from edgecv.analysis.described_files import single_file
from edgecv.analysis.doctor.kernel_parity import compare_kernels, parity_findings
from edgecv.analysis.doctor.records import KernelCell, KernelParity
from edgecv.analysis.doctor.text import to_text
from edgecv.analysis.options import DoctorOptions, doctor
from edgecv.core.data import Images
from edgecv.core.input_spec import DEFAULT_INPUT
from edgecv.evaluation.task_of import default_task
from edgecv.formats.lookup import runtime_of_format
from edgecv.pipeline.context import open_analysis
from edgecv.pipeline.recipe.run_settings import RunSettings


def test_float_files_answer_the_same_under_all_kernels(files: Path, pixels: Images) -> None:
    given = [
        single_file(files / f"float32.{kind}", DEFAULT_INPUT, None) for kind in ("tflite", "onnx")
    ]
    with open_analysis(RunSettings(name="doctor")) as context:
        found = compare_kernels(given, pixels[:20], default_task(), context)
    assert [each.kernels for each in found.cells] == [
        name for kind in ("tflite", "onnx") for name in runtime_of_format(kind).kernel_variants
    ]
    assert {each.images for each in found.cells} == {20}
    for row in found.largest_difference:
        assert max(each for each in row if each is not None) < 1e-5
    assert not list(parity_findings(found))


def test_integer_kernels_differ_by_roundings(files: Path) -> None:
    options = DoctorOptions(
        path=files / "int8.tflite", data=str(files / "data.npz"), beside=files / "int8.onnx"
    )
    found = doctor(options)
    assert found.parity is not None
    assert len(found.parity.cells) == 7
    assert max(each or 0.0 for each in found.parity.largest_difference[0]) < 0.1
    assert f"7 {files / 'int8.onnx'}, not optimized, 20 images" in to_text(found)


def test_kernels_that_answer_otherwise_are_a_finding() -> None:
    cells = (
        KernelCell("a", "XNNPACK", 200),
        KernelCell("a", "builtin", 200),
        KernelCell("a", "reference", 0, "died"),
    )
    found = KernelParity(
        cells,
        ((1.0, 0.96, None), (0.96, 1.0, None), (None, None, None)),
        ((0.0, 0.2, None), (0.2, 0.0, None), (None, None, None)),
    )
    findings = list(parity_findings(found, "digits"))
    assert "edgecv validate a --data digits --kernels builtin" in findings[0].remedy
    assert [(each.name, each.where, each.observed) for each in findings] == [
        (
            "kernels-disagree",
            "a under builtin",
            "another answer on 4.0% of 200 images than under XNNPACK, outputs differ by up to"
            " 0.200",
        ),
        ("kernels-fail", "a under reference", "died"),
    ]


def test_kernels_that_die_of_a_file_are_one_cell() -> None:
    import numpy as np

    path = HOSTILE / "kws_edit_41_abort_reference_kernels.tflite"
    if not path.exists():
        pytest.skip(f"needs {path}, which is not part of the project")
    images = np.random.default_rng(0).integers(0, 256, (3, 49, 10, 1), dtype=np.uint8)
    with open_analysis(RunSettings(name="doctor")) as context:
        found = compare_kernels(
            [single_file(path, DEFAULT_INPUT, None)], images, default_task(), context
        )
    usual, _, reference = found.cells
    assert (usual.images, usual.failure) == (3, "")
    assert reference.failure.startswith("litert died of SIGABRT while")
    assert "\n" not in reference.failure
