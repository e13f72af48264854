"""Ready recipes: every installation has them, by their name."""

from pathlib import Path

import pytest

from edgecv.core.errors import InputError
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.ready import descriptions, recipe_path

RECIPES = Path(__file__).parents[2] / "recipes"
pytestmark = pytest.mark.quick


def test_each_recipe_of_the_project_is_ready_in_any_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for file in RECIPES.glob("*.toml"):
        assert recipe_path(file.stem).read_bytes() == file.read_bytes()


def test_a_recipe_is_taken_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert CompressOptions(recipe="quickstart").to_recipe().name == "quickstart"


def test_a_file_of_the_working_folder_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = (RECIPES / "mcu.toml").read_bytes()
    Path("quickstart").write_bytes(own)
    assert recipe_path("quickstart").read_bytes() == own


def test_a_folder_of_the_working_folder_is_no_recipe(tmp_path, monkeypatch):
    """The folder of its own run, after ``--output .``, came before the recipe."""
    monkeypatch.chdir(tmp_path)
    Path("quickstart").mkdir()
    assert recipe_path("quickstart").read_bytes() == (RECIPES / "quickstart.toml").read_bytes()


@pytest.mark.parametrize("given", ["folder/quickstart", "quickstart.toml", "./quickstart"])
def test_a_path_stays_a_path(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert recipe_path(given) == Path(given)


@pytest.mark.parametrize(
    ("given", "remedy"),
    [("quickstrt", 'did you mean "quickstart"?'), ("zebra", "edgecv list shows the ready recipes")],
)
def test_a_name_that_is_neither_is_refused(given, remedy):
    with pytest.raises(InputError, match="no file and no ready recipe") as refused:
        CompressOptions(recipe=given).to_recipe()
    assert refused.value.remedy == remedy


def test_each_has_a_sentence():
    found = dict(descriptions())
    assert found.keys() == {each.stem for each in RECIPES.glob("*.toml")}
    assert all(20 < len(sentence) <= 80 and sentence.endswith(".") for sentence in found.values())
