"""A package of somebody else, with one plug-in of each kind: found, listed and used like our own.

It is installed into a folder of its own, which is on the path of the processes that use it.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from paths import REPOSITORY

TOY_PACKAGE = Path(__file__).parent / "toy_package"
RECIPE = """
name = "toy"

[data]
source = "bright_corner"

[task]
task = "top_two"

[baseline]
architecture = "two_layers"
input_shape = [8, 8, 1]
units = 12

[baseline.training]
epochs = 3
minimum_steps = 100

[[technique]]
technique = "rounding"
steps = 32

[[export]]
format = "dense"
precision = "float16"

[gates]
max_drop_points = 10.0

[[log]]
log = "lines"
path = "lines.txt"
"""
BROKEN = """
[edgecv.techniques]
absent = nowhere_to_be_found:Technique
prune = toy_plugins.rounding:Rounding
wrong = toy_plugins.two_layers:TwoLayers

leaves = leaves_at_once:Technique

[edgecv.formats]
no_class = json:loads
"""


def install(project: dict[str, Any], target: Path) -> None:
    """Put a package into a folder as an installer does: its files, and what is said of it."""
    shutil.copytree(TOY_PACKAGE / "toy_plugins", target / "toy_plugins")
    groups = project["entry-points"].items()
    write_metadata(
        target,
        project["name"],
        "\n".join(
            f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in entries.items())
            for group, entries in groups
        ),
    )


def write_metadata(target: Path, name: str, entry_points: str) -> None:
    folder = target / f"{name.replace('-', '_')}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(entry_points)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    project = tomllib.loads((TOY_PACKAGE / "pyproject.toml").read_text())["project"]
    install(project, folder)
    return folder


def edgecv(folder: Path, paths: list[Path], *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(each) for each in (*paths, REPOSITORY))
    return subprocess.run(
        [sys.executable, "-m", "edgecv", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def run(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run with a plug-in of each kind."""
    folder = tmp_path_factory.mktemp("toy")
    (folder / "recipe.toml").write_text(RECIPE)
    done = edgecv(folder, [site], "compress", "--recipe", "recipe.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "exported" / "toy"


def test_a_recipe_of_plugins_of_another_package_is_run(run: Path) -> None:
    report = json.loads((run / "report.json").read_text())
    assert report["outcome"] == "passed"
    twin, candidate = report["comparisons"]
    assert [each["artifact"]["path"] for each in (twin, candidate)] == [
        "float32.dense",
        "float16.dense",
    ]
    for each in (twin, candidate):
        assert (each["artifact"]["format"], each["runtime"]) == ("dense", "numpy")
        assert each["metric"] == "top-2 accuracy"
        assert each["value"] > 0.9
        assert each["latency"]["median_us"] > 0
    # The file is run by numpy alone: that it answers as Keras does shows that its answers are real.
    assert twin["agreement"] == 1.0
    assert twin["max_probability_difference"] < 1e-5
    assert candidate["max_probability_difference"] > 1e-4, "rounded weights answer otherwise"
    assert any(note.startswith("rounding: rounded 2 kernels") for note in report["notes"])
    assert max(layer["distinct"] for layer in candidate["artifact"]["layers"]) <= 65


def test_a_log_of_another_package_gets_epochs_and_the_outcome(run: Path) -> None:
    lines = (run.parents[1] / "lines.txt").read_text().splitlines()
    epochs = [line.split()[:3] for line in lines if "baseline" in line]
    assert epochs == [["toy", "baseline", str(number)] for number in range(1, len(epochs) + 1)]
    assert len(epochs) > 3
    assert lines[-1].startswith("toy passed ")


def test_a_file_of_another_packages_format_is_validated_and_timed(run: Path, site: Path) -> None:
    done = edgecv(
        run, [site], "validate", "float16.dense", "--baseline", "baseline.keras",
        "--data", "bright_corner", "--min-agreement", "0.5",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "float16.dense" in done.stdout
    done = edgecv(run, [site], "bench", "float32.dense", "float16.dense", "--budget", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "float16.dense" in done.stdout


def test_plugins_of_another_package_are_listed_with_it(site: Path) -> None:
    listed = edgecv(site, [site], "list").stdout
    rows = [line.split() for line in listed.splitlines()]
    names = "bright_corner two_layers top_two rounding dense numpy dense_folder lines".split()
    assert [row for row in rows if "toy-plugins" in row] != []
    assert {name for row in rows for name in names if name in row[:3] and "toy-plugins" in row} == {
        *names
    }
    assert "broken" not in listed


def test_without_the_package_its_names_are_unknown(run: Path) -> None:
    done = edgecv(run.parents[1], [], "compress", "--recipe", "recipe.toml")
    assert done.returncode != 0
    assert 'unknown data set "bright_corner"' in done.stderr


def test_a_plugin_that_cannot_be_used_is_named_and_hinders_no_other(
    site: Path, tmp_path: Path
) -> None:
    write_metadata(tmp_path, "broken-plugins", BROKEN)
    (tmp_path / "leaves_at_once.py").write_text("import sys\nsys.exit(0)\n")
    done = edgecv(tmp_path, [site, tmp_path], "list")
    assert done.returncode == 0
    broken = [line for line in done.stdout.splitlines() if line.startswith("broken")]
    said = " ".join(done.stdout.split())
    assert "nowhere_to_be_found:Technique of broken-plugins 1.0 cannot be used" in said
    assert "ModuleNotFoundError" in said
    assert "edgecv.techniques is for a class that is Technique" in said
    assert "json:loads of broken-plugins 1.0 cannot be used" in said
    assert 'technique "rounding" is there twice' in said
    assert "toy-plugins 1.0" in said
    assert "leaves_at_once:Technique of broken-plugins 1.0 cannot be used: SystemExit" in said
    assert len(broken) == 5
    assert "technique     prune" in done.stdout
    (tmp_path / "recipe.toml").write_text(RECIPE)
    done = edgecv(tmp_path, [site, tmp_path], "compress", "--recipe", "recipe.toml")
    assert done.returncode != 0
    assert 'unknown technique "rounding"' in done.stderr
    assert "is there twice" in " ".join(done.stderr.split())
