"""A network whose features the task does not take is refused before anything is loaded."""

from pathlib import Path

import pytest

from edgecv.core.errors import InputError
from edgecv.pipeline.recipe.recipe import parse_recipe
from edgecv.pipeline.run import run, train
from edgecv.system.storage import Store


@pytest.mark.quick
@pytest.mark.parametrize("act", [run, train])
@pytest.mark.parametrize(
    ("task", "network", "accepted"),
    [("segmentation", "cifar_cnn", "unet_small"), ("classification", "unet_small", "resnet8")],
)
def test_a_network_must_fit_its_task(
    act: object, task: str, network: str, accepted: str, tmp_path: Path
) -> None:
    recipe = parse_recipe(
        {
            "name": "r",
            "data": {"source": "scenes"},
            "task": {"task": task},
            "baseline": {"architecture": network},
            "export": [{"format": "onnx", "precision": "int8"}],
        },
        "r.toml",
    )
    with pytest.raises(InputError, match="of features, and the task") as caught:
        act(recipe, Store(tmp_path))  # type: ignore[operator]
    assert accepted in caught.value.accepted


def test_a_student_that_does_not_fit_is_refused_before_the_baseline_is_trained(
    tmp_path: Path,
) -> None:
    recipe = parse_recipe(
        {
            "name": "r",
            "data": {"source": "scenes"},
            "task": {"task": "segmentation"},
            "baseline": {"architecture": "unet_small"},
            "technique": [{"technique": "student", "network": {"architecture": "plain_cnn"}}],
            "export": [{"format": "onnx", "precision": "int8"}],
        },
        "r.toml",
    )
    with pytest.raises(InputError, match="student: plain_cnn gives a row of features"):
        run(recipe, Store(tmp_path))
    assert not [*tmp_path.glob("baselines/*")]
