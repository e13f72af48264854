"""Operators whose options and scales a converter seldom writes: the bits of LiteRT's kernels."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from c_build import STRICT, disagreements, needs_compiler, written
from deployed import deployed_file
from operator_files import OperatorFile

from edgecv.core.errors import InputError
from edgecv.core.profile import PeakMemory, Profile
from edgecv.targets.c.compiled import SOURCES, c_compiler
from edgecv.targets.c.generate import generate
from edgecv.targets.c.program import Arithmetic
from edgecv.targets.c.project import Golden
from edgecv.targets.c.target import CProject
from edgecv.targets.qemu.target import Qemu
from edgecv.targets.serial.target import SerialBoard

pytestmark = [needs_compiler, pytest.mark.quick]
SHAPE = (1, 5, 3, 7)
FAST = ("-O1",)


@pytest.mark.parametrize("arithmetic", ["builtin", "reference"])
def test_a_change_of_scale_is_rounded_as_litert_does(
    arithmetic: Arithmetic, tmp_path: Path
) -> None:
    file = OperatorFile()
    image = file.tensor(SHAPE, steps=(0.05, 3))
    outputs = []
    for kind, zero in (("int8", -7), ("uint8", 120)):
        for factor in (0.4, 1.7, 2.0, 6.0, 14.0):
            changed = file.tensor(SHAPE, kind, (0.05 * factor, zero))
            outputs.append(file.operator("QUANTIZE", [image], changed, version=2))
    back = file.tensor(SHAPE, "int8", (2.0, 5))
    outputs.append(file.operator("QUANTIZE", [outputs[-1]], back, version=2))
    content = file.content([image], outputs)
    assert not disagreements(content, arithmetic, tmp_path, flags=FAST, every_tensor=False)


def test_a_sigmoid_of_large_numbers_has_the_bits_of_the_reference(tmp_path: Path) -> None:
    file = OperatorFile()
    image = file.tensor(SHAPE, "float32")
    factor = file.constant(np.array([12], np.float32))
    large = file.operator("MUL", [image, factor], file.tensor(SHAPE, "float32"), "MulOptions")
    output = file.operator("LOGISTIC", [large], file.tensor(SHAPE, "float32"))
    content = file.content([image], [output])
    assert not disagreements(content, "reference", tmp_path, flags=FAST, near=0)


@pytest.mark.parametrize(("answer", "agreed"), [(0.505, 1), (0.52, 0)])
def test_the_self_test_of_reals_is_by_the_largest_number_of_an_output(
    answer: float, agreed: int, tmp_path: Path
) -> None:
    """As the page promises: 1e-5 of the largest, here 0.01."""
    file = OperatorFile()
    image = file.tensor((1, 2), "float32")
    output = file.operator("ABS", [image], file.tensor((1, 2), "float32"))
    given, expected = (np.array([1000, each], np.float32) for each in (0.5, answer))
    golden = Golden(1, given.tobytes(), expected.tobytes())
    written(generate(file.content([image], [output]), "model.tflite"), golden, tmp_path)
    command = [str(c_compiler()), *STRICT, *SOURCES, "-o", "main", "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run(
        [tmp_path / "main", "--self-test"], capture_output=True, text=True, check=False
    )
    assert done.stdout == f"{agreed} of 1 golden answers agree\n"
    assert done.returncode == 1 - agreed


def test_a_slice_that_drops_an_axis_starts_where_litert_does(tmp_path: Path) -> None:
    file = OperatorFile()
    image = file.tensor((1, 5, 6, 4), steps=(0.1, 0))
    outputs = []
    # The second axis is dropped, with an open start, a start before the image, and one in it.
    for begin, begin_mask in ((3, 0b0010), (-9, 0), (-2, 0b0100)):
        ends = [np.array(each, np.int32) for each in ([0, begin, 1, 0], [1, 1, 6, 4], [1, 1, 2, 1])]
        given = [image, *map(file.constant, ends)]
        output = file.tensor((1, 3, 4), steps=(0.1, 0))
        masks = {"beginMask": begin_mask, "shrinkAxisMask": 0b0010}
        outputs.append(
            file.operator("STRIDED_SLICE", given, output, "StridedSliceOptions", **masks)
        )
    content = file.content([image], outputs)
    assert not disagreements(content, "builtin", tmp_path, flags=FAST)


@pytest.mark.parametrize("target", [CProject, Qemu, SerialBoard])
def test_a_file_of_several_images_at_once_is_refused(target: type[CProject]) -> None:
    file = deployed_file("tflite")
    several = replace(file.facts, input=replace(file.facts.input, shape=(4, 8, 8, 1)))
    with pytest.raises(InputError, match=f"takes 4 images at once, and {target.name} runs one"):
        target().check(replace(file, facts=several), None)


def test_a_float_file_that_is_too_large_for_a_board_may_become_int8(tmp_path: Path) -> None:
    made = OperatorFile()
    image = made.tensor((1, 8, 8, 1), "float32")
    output = made.operator("ABS", [image], made.tensor((1, 8, 8, 1), "float32"))
    path = tmp_path / "float32.tflite"
    path.write_bytes(made.content([image], [output]))
    file = deployed_file("tflite", path=path, peak=PeakMemory(512, "ABS", 256, is_float=True))
    board = Profile(title="Board", core="M4", source="x", flash_bytes=10**6, ram_bytes=200)
    with pytest.raises(InputError, match=r"takes 256 bytes of memory while ABS .*--quantize int8"):
        CProject().check(file, board)
