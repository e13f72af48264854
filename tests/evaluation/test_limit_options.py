"""Limits as options: how they are written, and what is refused."""

from typing import Any

import pytest

from edgecv.core.errors import InputError
from edgecv.evaluation.limit_options import LimitOptions
from edgecv.evaluation.limits import Limits
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.recipe import parse_recipe
from edgecv.system.environment import machine

pytestmark = pytest.mark.quick

WRITTEN = [
    ({"max_drop": 0.5}, {"max_drop_points": 0.5}),
    ({"max_drop": 0.5, "drop_on": "bound"}, {"max_drop_points": 0.5, "drop_on": "bound"}),
    ({"min_agreement": "98%"}, {"min_agreement": 0.98}),
    ({"min_agreement": "0.98"}, {"min_agreement": 0.98}),
    ({"max_flips": "50"}, {"max_flips": 50}),
    ({"max_flips": "0.5%"}, {"max_flips": 0.005}),
    ({"max_class_drop": 3.0}, {"max_class_drop_points": 3.0}),
    ({"max_size": "35KB"}, {"max_bytes": 35_000}),
    ({"max_size": "35KiB"}, {"max_bytes": 35_840}),
    ({"max_size": 9000}, {"max_bytes": 9000}),
    ({"max_drop": "0.5"}, {"max_drop_points": 0.5}),
    ({"max_drop": "1", "drop_on": "BOUND"}, {"max_drop_points": 1.0, "drop_on": "bound"}),
    ({"max_flips": 1e-05}, {"max_flips": 1e-05}),
    ({"max_calibration_error_rise": "2%"}, {"max_calibration_error_rise": 0.02}),
    ({"max_probability_difference": 0.1}, {"max_probability_difference": 0.1}),
    ({"max_gzip": "1.2mb"}, {"max_gzip_bytes": 1_200_000}),
    ({"min_speedup": "2x"}, {"min_speedup": 2.0}),
    ({"min_speedup": "1.5"}, {"min_speedup": 1.5}),
]


@pytest.mark.parametrize(("flags", "gates"), WRITTEN)
def test_how_limits_are_written(flags: dict[str, Any], gates: dict[str, Any]) -> None:
    found = LimitOptions(**flags).changed(Limits()).model_dump(exclude_none=True)
    assert found == pytest.approx(gates) if "drop_on" not in gates else found == gates


def test_a_latency_is_of_this_machine() -> None:
    gates = LimitOptions(max_latency="1.5ms").changed(Limits())
    assert (gates.max_latency_us, gates.latency_machine) == (1500.0, machine())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_size": "35"}, 'max_size: "35"; accepted: 35KB or 1.2MB'),
        ({"drop_on": "bound"}, "drop_on: goes with max_drop; give max_drop too"),
        ({"max_flips": 50.0}, 'max_flips: "50.0"; accepted: a number of images'),
    ],
)
def test_in_python_an_error_names_the_parameter(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        LimitOptions(**given).changed(Limits(), in_python=True)
    assert str(caught.value).startswith(message)


def test_a_flag_changes_one_limit_of_a_recipe_and_keeps_the_others() -> None:
    recipe = Limits(max_drop_points=1.0, drop_on="bound", max_bytes=9000)
    changed = LimitOptions(max_drop=0.5).changed(recipe)
    assert changed == Limits(max_drop_points=0.5, drop_on="bound", max_bytes=9000)


def test_limits_survive_toml() -> None:
    import tomllib

    recipe = CompressOptions(
        data="digits", max_flips="50", min_agreement="98%", max_drop=1.0, drop_on="bound",
        max_latency="50us", max_size="35KB",
    ).to_recipe()  # fmt: skip
    assert parse_recipe(tomllib.loads(recipe.to_toml()), "again").gates == recipe.gates
    assert isinstance(recipe.gates.max_flips, int)


@pytest.mark.parametrize("limit", [{"max_class_drop": 1.0}, {"max_drop": 1.0, "drop_on": "bound"}])
def test_a_limit_that_needs_labels_is_refused_without_them(
    limit: dict[str, Any], tmp_path: Any
) -> None:
    from PIL import Image

    Image.new("RGB", (32, 32)).save(tmp_path / "image.png")
    with pytest.raises(InputError, match="no labels"):
        CompressOptions(model="m.keras", data=str(tmp_path), **limit).to_recipe()
    CompressOptions(model="m.keras", data=str(tmp_path), max_flips="1%").to_recipe()
