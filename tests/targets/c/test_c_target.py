"""The target c: what it builds is compiled, run and compared; what it lacks is named before."""

import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_build import needs_compiler, written
from c_models import convert, convolutions
from deployed import deployed_file
from paths import REPOSITORY, SHARED
from refusals import refusal_of

from edgecv.acceptance.verify import verify
from edgecv.analysis.options import DeployOptions, deploy
from edgecv.core.errors import InputError
from edgecv.core.plugins import DeployedFile
from edgecv.core.profile import Profile
from edgecv.core.report import Report
from edgecv.formats.tflite.tables import TFLiteTables
from edgecv.reports.deployment import deployment_lines
from edgecv.targets.c import compiled
from edgecv.targets.c.generate import generate
from edgecv.targets.c.project import Golden, write
from edgecv.targets.c.target import CProject
from edgecv.targets.qemu.boards import BOARDS
from edgecv.targets.qemu.target import Qemu

SHAPE = (8, 8, 1)


def network(x: Any) -> list[Any]:
    from tf_keras import layers

    features = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(x))
    return [layers.Dense(3, "softmax")(features)]


@pytest.fixture(scope="module")
def content() -> bytes:
    return convert(SHAPE, network)


@pytest.fixture
def file(content: bytes, tmp_path: Path) -> DeployedFile:
    path = tmp_path / "int8.tflite"
    path.write_bytes(content)
    return deployed_file("tflite", path=path)


@pytest.fixture(scope="module")
def deployment(
    output: Path, main_report: Report, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Report, Path]:
    folder = tmp_path_factory.mktemp("deployed") / "c"
    options = DeployOptions(paths=(output / "main",), to="c", out=folder, images=40)
    return deploy(options), folder


@needs_compiler
def test_a_run_in_c_gives_the_bytes_of_the_builtin_kernels(
    deployment: tuple[Report, Path],
) -> None:
    report, folder = deployment
    assert report.outcome == "passed"
    assert report.deployment is not None
    assert report.deployment.target == "c"
    assert report.deployment.kernels == "builtin"
    assert report.deployment.equal_outputs == 40
    header = (folder / "edgecv_model.h").read_text()
    arena = re.search(r"#define EDGECV_ARENA_BYTES (\d+)", header)
    assert arena is not None
    assert report.deployment.memory_bytes == int(arena[1])
    assert verify(folder).files > 10


@pytest.fixture
def project(deployment: tuple[Report, Path], tmp_path: Path) -> Path:
    """Return a copy of the project, to be built by its makefile."""
    if shutil.which("make") is None:
        pytest.skip("needs make")
    return Path(shutil.copytree(deployment[1], tmp_path / "c"))


@needs_compiler
def test_the_project_is_built_by_its_makefile_and_tests_itself(project: Path) -> None:
    done = subprocess.run(
        ["make", "-s", "test"], cwd=project, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "20 of 20 golden answers agree\n"), done.stderr


@needs_compiler
def test_the_project_says_which_steps_take_the_time(project: Path) -> None:
    done = subprocess.run(
        ["make", "-s", "times"], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *steps, total = done.stdout.splitlines()
    count = re.search(r"#define EDGECV_STEPS (\d+)", (project / "edgecv_model.h").read_text())
    assert count is not None
    assert len(steps) == int(count[1])
    assert sum(float(each.partition("%")[0]) for each in steps) == pytest.approx(100, abs=1)
    assert any("CONV_2D" in each for each in steps)
    assert steps[-1].endswith("SOFTMAX probabilities")
    assert float(total.partition(" us")[0]) > 0


@needs_compiler
def test_the_firmware_for_a_pc_speaks_the_protocol(project: Path) -> None:
    build = ["make", "-s", "edgecv_firmware"]
    subprocess.run(build, cwd=project, check=True, capture_output=True)
    golden = (project / "edgecv_golden.c").read_text()
    first, _, second = golden.partition("edgecv_golden_outputs")
    given, wanted = (
        bytes(map(int, re.findall(r"\b(\d+),", text.partition("= {")[2])))
        for text in (first, second)
    )
    sizes = len(given) // 20, len(wanted) // 20
    image = given[: sizes[0]]
    loads = [f"db {image[at : at + 256].hex()}%" for at in range(0, len(image), 256)]
    commands = ["profile%", f"db load {len(image)}%", *loads, "infer 2 0%", "outputs%"]
    done = subprocess.run(
        [project / "edgecv_firmware"],
        input="".join(commands),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "m-profile-[edgecv firmware 1]" in done.stdout
    assert f"m-outputs-[{wanted[: sizes[1]].hex()}]" in done.stdout


def test_the_page_says_how_a_byte_of_a_camera_enters(deployment: tuple[Report, Path]) -> None:
    """A newcomer looked for it in the report of the run."""
    report, folder = deployment
    page = (folder / "README.md").read_text()
    assert "The number to store for a byte of a camera is the byte" in page
    assert report.name == folder.name


@needs_compiler
@pytest.mark.parametrize("language", ["c", "c++"])
def test_the_example_of_the_page_is_c_and_c_plus_plus(
    deployment: tuple[Report, Path], tmp_path: Path, language: str
) -> None:
    """Sketches of Arduino are C++, where a void pointer becomes no other by itself."""
    code = re.search(r"```c\n(.*?)```", (deployment[1] / "README.md").read_text(), re.DOTALL)
    assert code is not None
    include, _, statements = code[1].partition("\n")
    body = f"int first(const uint8_t *pixels)\n{{\n{statements}\nreturn output[0];\n}}\n"
    (tmp_path / "example").write_text(f"{include}\n{body}")
    compiler = str(compiled.c_compiler())
    command = [compiler, "-x", language, "-Wall", "-Werror", "-I", str(deployment[1]), "-c"]
    subprocess.run([*command, "example", "-o", "example.o"], cwd=tmp_path, check=True)
    assert "(pixels[i] - 128)" in body


def test_the_page_and_the_header_name_ends_as_the_model_does(
    deployment: tuple[Report, Path],
) -> None:
    header, page = ((deployment[1] / each).read_text() for each in ("edgecv_model.h", "README.md"))
    assert "/* image: [1," in header
    assert "/* probabilities: [1, 10] */" in header
    assert "| `EDGECV_OUTPUT_0` | probabilities | int8 | [1, 10] |" in page


@needs_compiler
def test_the_project_is_built_by_cmake(deployment: tuple[Report, Path], tmp_path: Path) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("needs cmake")
    build = tmp_path / "build"
    for command in (("-S", str(deployment[1]), "-B", str(build)), ("--build", str(build))):
        subprocess.run(["cmake", *command], check=True, capture_output=True)
    subprocess.run([build / "edgecv_main", "--self-test"], check=True)


@needs_compiler
def test_the_example_of_the_guide_compiles(deployment: tuple[Report, Path], tmp_path: Path) -> None:
    page = (REPOSITORY / "docs/guides/c.md").read_text()
    code = re.search(r"```c\n(.*?)```", page, re.DOTALL)
    assert code is not None
    (tmp_path / "example.c").write_text(code[1])
    command = [str(compiled.c_compiler()), *compiled.FLAGS, "-I", str(deployment[1]), "-c"]
    subprocess.run([*command, "example.c"], cwd=tmp_path, check=True)


@needs_compiler
def test_a_wrong_golden_answer_fails_the_self_test(content: bytes, tmp_path: Path) -> None:
    golden = Golden(1, bytes(64), b"\x55\x55\x55")
    written(generate(content, "model"), golden, tmp_path)
    command = [str(compiled.c_compiler()), *compiled.SOURCES, "-o", "main", "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run(
        ["./main", "--self-test"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "0 of 1 golden answers agree\n")


def test_without_a_compiler_nothing_is_claimed(
    output: Path, main_report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecv.targets.c.target.c_compiler", lambda: None)
    options = DeployOptions(paths=(output / "main",), to="c", out=tmp_path / "c", images=40)
    report = deploy(options)
    assert report.outcome == "inconclusive"
    assert "no C compiler" in str(report.gates[-1].reason)
    assert report.deployment is not None
    assert (report.deployment.images, report.deployment.folder) == (0, str(tmp_path / "c"))
    assert deployment_lines(report) == list(report.deployment.notes)
    assert (tmp_path / "c" / "edgecv_model.c").is_file()


@pytest.mark.parametrize("memory", ["flash_bytes", "ram_bytes"])
def test_a_board_that_is_too_small_is_refused(
    file: DeployedFile, memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"flash_bytes": 10**6, "ram_bytes": 10**6, memory: 100}
    board = Profile(title="Board", core="M4", source="https://example.org", **sizes)
    assert "more than Board has" in refusal_of(lambda: CProject().check(file, board))
    emulated = replace(BOARDS["cortex-m4"], **sizes)
    monkeypatch.setitem(BOARDS, "cortex-m4", emulated)
    found = refusal_of(lambda: Qemu().check(file, None))
    assert "more than the emulated cortex-m4 has" in found


@pytest.mark.parametrize("precision", ["dynamic", "float16"])
def test_weights_of_another_type_than_the_values_are_named(precision: str) -> None:
    def wide(x: Any) -> list[Any]:
        from tf_keras import layers

        return [layers.Dense(40)(layers.Flatten()(layers.Conv2D(40, 3)(x)))]

    content = convert(SHAPE, wide, precision)
    if precision == "float16":
        assert generate(content, "model").arena
        return
    message = refusal_of(lambda: generate(content, "model"))
    assert "int8 weights that are used as float32" in message
    assert 'FULLY_CONNECTED "' in message


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the handed cases")
def test_a_custom_operator_is_named_before_anything_is_written() -> None:
    path = SHARED / "cases" / "detection_four_outputs.tflite"
    message = refusal_of(lambda: generate(path.read_bytes(), path.name))
    assert "target c lacks CUSTOM(TFLite_Detection_PostProcess)" in message
    assert "operators in int8 or float32: see the guide on C" in message


@needs_compiler
def test_a_name_in_the_file_is_no_code(content: bytes, tmp_path: Path) -> None:
    name = TFLiteTables(content, "model").outputs[0].name.encode()
    evil = b'*/ int x = 1; /* "?? \n#error'.ljust(len(name), b"\\")[: len(name)]
    assert content.count(name)
    files = write(generate(content.replace(name, evil), "model"), Golden())
    code = "".join(files.values())
    assert "int x" not in code
    assert "#error" not in code


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the handed cases")
def test_hostile_files_are_refused_or_safe() -> None:
    for path in sorted((SHARED / "hostile").glob("*.tflite")):
        with suppress(InputError):
            assert generate(path.read_bytes(), path.name).arena < 2**28


def test_damaged_bytes_are_refused_or_read(content: bytes) -> None:
    random = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(content)
        for place in random.integers(0, len(content), 3):
            damaged[place] = random.integers(256)
        with suppress(InputError):
            write(generate(bytes(damaged), "model"), Golden())


@needs_compiler
def test_flash_of_the_code_is_small(tmp_path: Path) -> None:
    content = convert((9, 10, 6), convolutions)
    written(generate(content, "model"), Golden(), tmp_path)
    flags = ("-std=c99", "-Os", "-c", "edgecv_model.c")
    subprocess.run([str(compiled.c_compiler()), *flags], cwd=tmp_path, check=True)
    if (size := shutil.which("size")) is None:
        pytest.skip("needs size, of binutils")
    done = subprocess.run(
        [size, "edgecv_model.o"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert int(done.stdout.splitlines()[1].split()[0]) < 12_000


@needs_compiler
def test_a_file_without_data_is_held_to_this_machine_on_random_images(
    file: DeployedFile, tmp_path: Path
) -> None:
    report = deploy(
        DeployOptions(paths=(file.path,), to="c", out=tmp_path / "c", images=20, preprocess="-1..1")
    )
    assert report.outcome == "passed"
    assert report.data.name == "noise"
    assert report.deployment is not None
    assert report.deployment.equal_outputs == report.deployment.images == 20
    assert report.comparisons[0].value is None


@needs_compiler
def test_floats_pass_that_differ_by_their_rounding_alone(tmp_path: Path) -> None:
    path = tmp_path / "float32.tflite"
    path.write_bytes(convert(SHAPE, network, precision="float32"))
    options = DeployOptions(paths=(path,), to="c", out=tmp_path / "c", preprocess="0..255")
    report = deploy(options)
    assert report.outcome == "passed"
    assert report.deployment is not None
    assert 0 < report.deployment.largest_difference < 1e-4
