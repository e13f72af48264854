"""Costs before and after are told layer by layer, also where models within models are laid open."""

from pathlib import Path

import pytest

from edgecv.core.costs import Costs, LayerCost, ModelCost
from edgecv.reports.costs import costs_rows, write_widths

pytestmark = pytest.mark.quick


def model(name: str, channels: int) -> ModelCost:
    layer = LayerCost(name, "Conv2D", (8, 8, channels), 100 * channels, 10, 64)
    return ModelCost(layer.macs, 10, 64, (layer,))


@pytest.mark.usefixtures("drawn_pictures")
def test_a_layer_of_a_model_within_is_found_again(tmp_path: Path) -> None:
    costs = Costs(model("features/conv", 8), model("conv", 4))
    assert costs_rows(costs)[0][3] == "800 -> 400"
    write_widths(costs, tmp_path / "widths.png")
    assert (tmp_path / "widths.png").stat().st_size > 1000


def test_a_layer_that_is_gone_is_folded(tmp_path: Path) -> None:
    costs = Costs(model("norm", 8), model("conv", 8))
    assert costs_rows(costs)[0][2] == "folded"
