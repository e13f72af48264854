"""Profiles of boards: those of the package, one of our own, and errors of others."""

from pathlib import Path

import pytest
from paths import REPOSITORY

from edgecv.core.errors import InputError
from edgecv.targets.board import profile_named, profile_names

PAGE = REPOSITORY / "docs" / "guides" / "deployment.md"
CAMERA = """
title = "My camera"
core = "Cortex-M7, 480 MHz"
flash_bytes = 2_097_152
ram_bytes = 1_048_576
source = "https://example.org/my-camera"
"""
pytestmark = pytest.mark.quick


@pytest.mark.parametrize("name", profile_names())
def test_a_profile_says_where_its_figures_stand(name: str) -> None:
    found = profile_named(name)
    assert found.source.startswith("https://")
    assert 2**17 <= found.ram_bytes <= found.flash_bytes
    assert f"`{name}`" in PAGE.read_text("utf-8")


def test_there_are_about_a_dozen() -> None:
    assert len(profile_names()) >= 12


def test_an_unknown_profile_names_the_nearest() -> None:
    with pytest.raises(InputError, match='did you mean "raspberry-pi-pico"'):
        profile_named("rasberry-pi-pico")


def test_a_profile_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "camera.toml"
    path.write_text(CAMERA)
    assert profile_named(str(path)).ram_bytes == 2**20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = [", "is damaged"),
        ('title = "x"', '"core" is missing'),
        ('title = "x"\ncore = "y"\nflash_bytes = 0\nram_bytes = 1\nsource = "z"', "flash_bytes"),
        ('flash = "1 MB"', 'unknown key "flash"'),
    ],
)
def test_a_damaged_profile_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "board.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        profile_named(str(path))


def test_a_profile_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        profile_named(str(tmp_path / "none.toml"))
