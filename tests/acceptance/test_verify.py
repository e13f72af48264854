"""A run is what was written, byte for byte, or everything that reads it says what is not."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import edgecv
from edgecv.acceptance.verify import Verified, to_json, verify, verify_all
from edgecv.core.errors import EdgecvError, InputError
from edgecv.core.report import Report
from edgecv.pipeline.recipe_table import run_all
from edgecv.system.storage import Store, check_seal


def test_what_was_written_is_intact(folder: Path) -> None:
    assert verify(folder) == Verified(str(folder), 3, signed=False)
    link = folder.parent / "latest"
    link.symlink_to(folder)
    assert verify(link).files == 3


def test_every_flipped_bit_of_every_file_is_noticed(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        for place in range(len(content)):
            damaged = bytearray(content)
            damaged[place] ^= 1 << place % 8
            path.write_bytes(damaged)
            with pytest.raises(InputError):
                check_seal(folder)
        path.write_bytes(content)
    check_seal(folder)


def replace_by_link(folder: Path) -> None:
    (folder / "labels.txt").rename(folder.parent / "labels.txt")
    (folder / "labels.txt").symlink_to(folder.parent / "labels.txt")


def link_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").rename(folder.parent / "manifest.json")
    (folder / "manifest.json").symlink_to(folder.parent / "manifest.json")


DAMAGES: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: (folder / "labels.txt").unlink(), "labels.txt: is in the manifest but not on"),
    (lambda folder: (folder / "evil.so").write_bytes(b"x"), "evil.so: is not in the manifest"),
    (lambda folder: (folder / "empty").mkdir(), "empty: is not a file"),
    (lambda folder: os.mkfifo(folder / "pipe"), "pipe: is not a file"),
    (replace_by_link, "labels.txt: is a link"),
    (link_the_manifest, "manifest.json: is a link"),
    (lambda folder: (folder / "evil").symlink_to("/etc"), "evil: is a link"),
    (lambda folder: (folder / "manifest.json").unlink(), "holds no manifest.json"),
    (lambda folder: (folder / "manifest.json").write_text("[" * 100_000), "is damaged"),
    (
        lambda folder: (folder / "manifest.json").write_bytes(
            (folder / "manifest.json").read_bytes() + b" "
        ),
        "manifest.json: is damaged",
    ),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES, ids=[each[1] for each in DAMAGES])
def test_what_is_missing_or_more_is_named(
    folder: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(folder)
    with pytest.raises(InputError) as caught:
        verify(folder)
    assert message in str(caught.value)


def test_one_damaged_run_does_not_hide_the_others(folder: Path, tmp_path: Path) -> None:
    results = list(verify_all([tmp_path / "none", folder, folder / "labels.txt"]))
    kinds = [isinstance(found, EdgecvError) for _, found in results]
    assert kinds == [True, False, True]
    tables = json.loads(to_json(results))
    assert [table["intact"] for table in tables] == [False, True, False]
    assert "there is no such folder" in tables[0]["error"]


def test_the_command(folder: Path) -> None:
    def command(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "edgecv", "verify", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
        )

    good = command(folder)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout == f"{folder}: its 3 files are those that were written\n"
    (folder / "int8.tflite").write_bytes(b"x")
    bad = command(folder, "--json")
    assert bad.returncode == 2
    assert bad.stderr.startswith(f"edgecv: {folder}/int8.tflite: is not the file that the run")
    assert bad.stderr.count("\n") == 1
    assert json.loads(bad.stdout)[0]["intact"] is False


def test_whatever_reads_a_run_refuses_a_damaged_one(
    main_report: Report, output: Path, tmp_path: Path
) -> None:
    store = Store(tmp_path / "exported")
    folder = store.run_folder("main")
    shutil.copytree(output / "main", folder)
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert verify(folder).files == len(written) - 1  # All but the manifest itself.
    plan = tmp_path / "main.toml"
    shutil.copy(folder / "recipe.toml", plan)
    assert run_all([plan], None, store) == [main_report]
    (folder / "widths.png").symlink_to("/etc/hostname")
    for read in (
        lambda: edgecv.load_report(folder),
        lambda: edgecv.validate(folder),
        lambda: run_all([plan], None, store),
        lambda: verify(folder),
    ):
        with pytest.raises(InputError, match=r"widths\.png: is a link"):
            read()
