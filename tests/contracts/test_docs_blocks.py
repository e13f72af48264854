"""Every code block of the documentation runs, or says why it cannot."""

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml
from documentation import EDIT, HOW, LANGUAGES, Block, blocks_of, name_of, pages
from paths import REPOSITORY

from edgecv.pipeline.recipe.recipe import parse_recipe

BLOCKS = [block for page in pages() for block in blocks_of(page)]
RUN = [
    name_of(page)
    for page in pages()
    if any(b.language in ("sh", "python") for b in blocks_of(page))
]
CLASSES = 10
IMAGES_A_CLASS = 30
FRAGMENT: dict[str, Any] = {
    "name": "fragment",
    "data": {"source": "npz", "path": "images.npz"},
    "export": [{"format": "tflite", "precision": "int8"}],
}
"""What a recipe needs beside the tables that a page shows of it."""
NOT_RUN = {
    "README.md": 2,
    "docs/getting-started.md": 1,
    "docs/guides/own-model.md": 1,
    "docs/guides/experiments.md": 1,
    "docs/guides/gate.md": 2,
    "docs/guides/search.md": 1,
    "docs/guides/training.md": 1,
    "docs/guides/deployment.md": 2,
    "docs/contributing/index.md": 2,
}
"""The blocks that cannot be run here, by page: a new one is a decision."""


def where(block: Block) -> str:
    return f"{block.page}:{block.line}"


@pytest.fixture(scope="session")
def example_folder(
    tmp_path_factory: pytest.TempPathFactory, output: Path, main_report: Any
) -> Path:
    """Return a folder with what the pages speak of: a run, its model, real images, recipes."""
    from PIL import Image

    from edgecv.datasets.resolve import resolve

    folder = tmp_path_factory.mktemp("documentation")
    shutil.copytree(output / "main", folder / "exported" / "quickstart")
    shutil.copy(output / "main" / "baseline.keras", folder / "my_model.keras")
    shutil.copy(output / "main" / "baseline.keras", folder / "better_model.keras")
    shutil.copy(output / "main" / "float32.onnx", folder / "model.onnx")
    shutil.copy(output / "main" / "labels.txt", folder)
    shutil.copytree(REPOSITORY / "recipes", folder / "recipes")
    data = resolve("digits").load((32, 32, 3), 0, lambda done, total: None)
    for part, split in (("train", data.train), ("test", data.test)):
        for label in range(CLASSES):
            place = folder / "images" / part / str(label)
            place.mkdir(parents=True)
            for row in np.flatnonzero(split.labels == label)[:IMAGES_A_CLASS]:
                Image.fromarray(split.images[row]).save(place / f"{row}.png")
    shutil.copytree(folder / "images" / "test" / "0", folder / "photos")
    np.save(folder / "image.npy", data.test.images[0])
    np.savez(
        folder / "arrays.npz",
        x_train=data.train.images[:300],
        y_train=data.train.labels[:300],
        x_test=data.test.images[:100],
        y_test=data.test.labels[:100],
    )
    (guide,) = [b for b in BLOCKS if b.page == "docs/guides/recipes.md" and b.language == "toml"]
    (folder / "recipe.toml").write_text(guide.code)
    return folder


@pytest.fixture
def workspace(example_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the example folder, which is the working directory."""
    place = tmp_path / "workspace"
    shutil.copytree(example_folder, place)
    monkeypatch.chdir(place)
    return place


def edgecv(command: str) -> tuple[int, str]:
    """Run an edgecv command in this process: children and their imports are shared."""
    from edgecv.cli import run

    before, said = sys.argv, io.StringIO()
    sys.argv = shlex.split(command, comments=True)
    try:
        with redirect_stdout(said):
            return run(), said.getvalue()
    finally:
        sys.argv = before


def run_block(block: Block) -> None:
    """Run each line of a shell block. Fails unless all end as the block says."""
    wanted = int(block.how.removeprefix("exit ")) if block.how.startswith("exit ") else 0
    for number, command in enumerate(block.commands, start=1):
        if command.split()[0] == "edgecv":
            code, said = edgecv(command + (" --dry-run" if block.how == "dry-run" else ""))
        else:
            done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
            code, said = done.returncode, done.stdout + done.stderr
        expected = wanted if number == len(block.commands) else 0
        assert code == expected, f"{where(block)}: {command}\n{said}"
        if "--update" in command:
            allow_slower(Path("edgecv.lock"))


def allow_slower(lock: Path) -> None:
    """Raise the limit on the speed of an accepted run: files timed for a moment may seem slower."""
    text, count = re.subn(r"(max_slowdown_percent = )[\d.]+", r"\g<1>95", lock.read_text("utf-8"))
    assert count == 1
    lock.write_text(text, "utf-8")


def is_run(block: Block) -> bool:
    return not block.how.startswith(("not run", "elsewhere", "slow"))


@pytest.mark.parametrize("page", RUN)
def test_the_blocks_of_a_page_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Run them in their order, in one folder: as a reader does who goes down the page."""
    if changes_the_repository(page):
        for block in [b for b in BLOCKS if b.page == page]:
            run_in_copy(block, request.getfixturevalue("copied_repository"))
        return
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in [b for b in BLOCKS if b.page == page and is_run(b)]:
        if block.how.startswith("file "):
            run_file(block, tmp_path, monkeypatch)
        elif block.language == "sh":
            request.getfixturevalue("workspace")
            run_block(block)
        elif block.language == "python":
            request.getfixturevalue("workspace")
            with redirect_stdout(io.StringIO()):
                exec(compile(block.code, where(block), "exec"), names)


def changes_the_repository(page: str) -> bool:
    """Tell whether a page changes files that there are: adding some is tried in this process."""
    return any(
        EDIT.fullmatch(block.how)
        or (
            block.how.startswith("file ")
            and (REPOSITORY / block.how.removeprefix("file ")).exists()
        )
        for block in BLOCKS
        if block.page == page
    )


@pytest.fixture
def copied_repository(tmp_path: Path) -> Path:
    """Return a copy of the package and its tests, to be changed as a page says."""
    folder = tmp_path / "repository"
    for name in ("edgecv", "tests", "recipes"):
        shutil.copytree(REPOSITORY / name, folder / name)
    shutil.copy(REPOSITORY / "pyproject.toml", folder)
    shutil.copytree(REPOSITORY / "docs" / "decisions", folder / "docs" / "decisions")
    return folder


def run_in_copy(block: Block, repository: Path) -> None:
    """Change a copy of the repository as a block says, or run its commands there."""
    if edit := EDIT.fullmatch(block.how):
        path = repository / edit["path"]
        lines = path.read_text("utf-8").splitlines(keepends=True)
        (at,) = [number for number, line in enumerate(lines) if line.strip() == edit["line"]]
        lines.insert(at + (edit["side"] == "after"), block.code)
        path.write_text("".join(lines), "utf-8")
    elif block.how.startswith("file "):
        path = repository / block.how.removeprefix("file ")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.code, "utf-8")
    elif block.language == "sh":
        path = os.pathsep.join([str(repository), str(repository / "tests")])
        for command in block.commands:
            done = subprocess.run(
                [sys.executable, "-m", *shlex.split(command)],
                cwd=repository,
                env={**os.environ, "PYTHONPATH": path, "PYTEST_ADDOPTS": "-n 0 --assert=plain"},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{where(block)}: {command}\n{done.stdout}{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("block", [b for b in BLOCKS if b.how == "slow"], ids=where)
def test_a_slow_block_runs(block: Block, workspace: Path) -> None:
    if block.language == "sh":
        run_block(block)
        return
    names: dict[str, Any] = {"__name__": "__main__"}
    for each in [b for b in BLOCKS if b.page == block.page and b.line <= block.line]:
        if each.language == "python":
            exec(compile(each.code, where(each), "exec"), names)


def run_file(block: Block, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Import a block under the name that its file would have, and run the tests in it."""
    path = Path(block.how.removeprefix("file "))
    module = ModuleType(".".join(path.with_suffix("").parts))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(block.code, where(block), "exec"), vars(module))
    if path.parts[0] == "tests":
        run_tests(module, folder)


def run_tests(module: ModuleType, folder: Path) -> None:
    """Call the test functions of a module, with a temporary folder where they ask for one."""
    tests: list[Callable[..., None]] = [
        value for name, value in vars(module).items() if name.startswith("test_")
    ]
    assert tests
    for test in tests:
        asked = test.__code__.co_varnames[: test.__code__.co_argcount]
        test(*[folder for name in asked if name == "tmp_path"])


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.how.startswith("elsewhere, ")], ids=where)
def test_what_is_run_elsewhere_stands_there(block: Block) -> None:
    text = (REPOSITORY / block.how.removeprefix("elsewhere, ")).read_text("utf-8")
    if block.language == "toml":
        assert block.code in text


@pytest.mark.parametrize(
    "block",
    [b for b in BLOCKS if b.language == "toml" and not b.how.startswith("elsewhere, ")],
    ids=where,
)
def test_a_toml_block_is_a_recipe_or_a_part_of_one(block: Block) -> None:
    parse_recipe({**FRAGMENT, **tomllib.loads(block.code)}, where(block))


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language in ("yaml", "json")], ids=where)
def test_a_block_of_data_is_read(block: Block) -> None:
    assert (yaml.safe_load if block.language == "yaml" else json.loads)(block.code)


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_block_says_its_language_and_how_it_is_tested(page: Path) -> None:
    blocks = blocks_of(page)
    text = page.read_text("utf-8")
    assert text.count("\n```") == 2 * len(blocks)
    assert text.count("<!-- test:") == sum(bool(block.how) for block in blocks)
    for block in blocks:
        assert block.language in LANGUAGES, where(block)
        assert not block.how or HOW.fullmatch(block.how), where(block)
        assert not block.how.startswith("in ") or EDIT.fullmatch(block.how), where(block)
        if block.how.startswith("elsewhere, "):
            assert (REPOSITORY / block.how.removeprefix("elsewhere, ")).is_file(), where(block)


def test_the_blocks_that_are_not_run_are_these() -> None:
    assert Counter(b.page for b in BLOCKS if b.how.startswith("not run, ")) == NOT_RUN


def test_every_worked_example_is_short() -> None:
    for block in BLOCKS:
        if block.how.startswith(("file edgecv/", "in edgecv/")):
            assert len(block.code.splitlines()) <= 60, where(block)


def test_the_documentation_names_no_machine() -> None:
    for page in pages():
        assert str(REPOSITORY.parent) not in page.read_text("utf-8"), name_of(page)
