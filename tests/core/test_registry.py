"""Registries: plug-ins of another package beside our own, and names that are there twice."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecv.core.errors import InputError
from edgecv.core.plugins import DatasetSource, Technique
from edgecv.core.plugins.installed import entries_of_all_groups, installed_plugins
from edgecv.core.plugins.registry import Registry
from edgecv.core.registry import TECHNIQUES
from edgecv.system.storage import content_key

pytestmark = pytest.mark.quick

MODULE = '''
from edgecv.core.plugins import Technique


class Again(Technique):
    """Does what pruning does, under its name."""

    name = "{name}"

    def check_model(self, model):
        """Accept every model."""

    def apply(self, model, context):
        """Return the model as it is."""
        return model
'''


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder that packages can be put into, and forget them afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    _forget()
    yield tmp_path
    _forget()
    for name in [each for each in sys.modules if each.startswith("another_")]:
        del sys.modules[name]


def _forget() -> None:
    entries_of_all_groups.cache_clear()
    installed_plugins.cache_clear()


def put(site: Path, package: str, name: str) -> None:
    module = f"another_{package}"
    (site / f"{module}.py").write_text(MODULE.format(name=name))
    folder = site / f"{package}-2.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 2.0\n")
    (folder / "entry_points.txt").write_text(f"[edgecv.techniques]\nagain = {module}:Again\n")


def techniques() -> Registry[Technique]:
    return Registry(
        "technique", Technique, "edgecv.techniques", "technique", group="edgecv.techniques"
    )


def test_a_name_of_our_own_stays_ours_and_both_places_are_said(site: Path) -> None:
    put(site, "one", "prune")
    registry = techniques()
    assert registry.classes["prune"].__module__ == "edgecv.techniques.prune"
    (fault,) = registry.faults
    assert "another_one:Again of one 2.0" in fault
    assert "edgecv.techniques.prune:Prune of edgecv, which is used" in fault


def test_a_name_in_two_other_packages_is_neithers(site: Path) -> None:
    put(site, "one", "again")
    put(site, "two", "again")
    registry = techniques()
    assert "again" not in registry.classes
    with pytest.raises(InputError, match=r"another_one:Again of one 2.0 and another_two:Again"):
        registry.get("again", "recipe.toml, technique[1]")


def test_our_own_are_found_without_a_look_at_other_packages(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(group: str) -> None:
        pytest.fail("a child process with our own runtime pays for packages that it does not use")

    monkeypatch.setattr("edgecv.core.plugins.registry.installed_plugins", fail)
    assert techniques().get("prune", "recipe.toml").name == "prune"


def test_a_stored_result_depends_on_the_code_of_another_package(site: Path) -> None:
    put(site, "one", "again")
    registry = techniques()
    technique = registry.parse({"technique": "again"}, "recipe.toml")
    before = registry.identity(technique)
    assert before["technique"] == "again"
    assert "one 2.0" in str(before)
    (site / "another_one.py").write_text("changed = True\n")
    assert registry.identity(technique) != before
    prune = registry.parse({"technique": "prune"}, "recipe.toml")
    assert registry.identity(prune) == registry.table(prune)


def test_a_stored_result_depends_on_the_order_of_patterns() -> None:
    """Of two the first that matches counts; the result of the other order was taken."""
    texts = [
        content_key(TECHNIQUES.identity(TECHNIQUES.parse({"technique": "prune", **each}, "here")))
        for each in (
            {"layers": {"dense_*": 0.5, "dense_1": 0.9}},
            {"layers": {"dense_1": 0.9, "dense_*": 0.5}},
        )
    ]
    assert texts[0] != texts[1]


def test_a_class_of_another_kind_is_a_fault(site: Path) -> None:
    put(site, "one", "again")
    registry = Registry(
        "data set", DatasetSource, "edgecv.datasets", "source", group="edgecv.datasets"
    )
    assert not registry.faults
    (site / "one-2.0.dist-info" / "entry_points.txt").write_text(
        "[edgecv.datasets]\nagain = another_one:Again\n"
    )
    _forget()
    registry = Registry(
        "data set", DatasetSource, "edgecv.datasets", "source", group="edgecv.datasets"
    )
    (fault,) = registry.faults
    assert "edgecv.datasets is for a class that is DatasetSource" in fault
