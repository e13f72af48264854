"""What holds for everything registered: a new file is tested the moment it exists."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deployed import deployed_file
from heads import head_for

from edgecv.core.data import Outputs
from edgecv.core.errors import InputError
from edgecv.core.plugins.registry import Registry
from edgecv.core.plugins.task_registry import HEADS
from edgecv.core.profile import Profile
from edgecv.core.registry import (
    ARCHITECTURES,
    DATASETS,
    EXPORTERS,
    IMPORTERS,
    RUNTIMES,
    TARGETS,
    TASKS,
    all_registries,
)
from edgecv.core.targets import together
from edgecv.targets.c.target import CProject

pytestmark = pytest.mark.quick

EVERY = [
    pytest.param(registry, name, id=f"{registry.kind}-{name}")
    for registry in all_registries()
    for name in registry.classes
]


@pytest.mark.parametrize(("registry", "name"), EVERY)
def test_a_plugin_has_a_name_and_a_line_of_help(registry: Registry[Any], name: str) -> None:
    cls = registry.classes[name]
    assert cls.name == name
    assert 10 < len(cls.help_text()) < 100
    assert cls.__module__.startswith(registry.package)


@pytest.mark.parametrize(("registry", "name"), EVERY)
def test_an_unknown_key_is_refused(registry: Registry[Any], name: str) -> None:
    with pytest.raises(InputError, match='unknown key "speling"'):
        registry.parse({registry.key: name, "speling": 1}, "recipe.toml, [table]")


@pytest.mark.parametrize("registry", all_registries(), ids=lambda registry: registry.kind)
def test_an_unknown_name_is_refused_with_what_is_known(registry: Registry[Any]) -> None:
    with pytest.raises(InputError) as caught:
        registry.get("no-such-thing", "--flag")
    for name in registry.classes:
        assert name in str(caught.value)


@pytest.mark.parametrize("name", ARCHITECTURES.classes)
def test_an_architecture_refuses_images_that_are_too_small(name: str) -> None:
    with pytest.raises(InputError, match="too small"):
        cls = ARCHITECTURES.get(name, "test")
        cls().build((4, 4, 3), head_for(cls, 7))


EYE = np.eye(3, dtype=np.float32)


def one_box_each() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return a box of another class in each image, and the two maps of a detector that finds it."""
    boxes = np.array([[[number, 0, 0, 0.5, 0.5]] for number in range(3)], np.float32)
    classes = np.zeros((3, 2, 2, 3), np.float32)
    classes[:, 0, 0] = EYE
    return boxes, {"classes": classes, "boxes": np.full((3, 2, 2, 4), 0.5, np.float32)}


MASKS, CHANCES = (np.stack([np.stack([each] * 4, 1)] * 4, 1) for each in (np.arange(3), EYE))
DEPTHS = np.random.default_rng(0).uniform(1, 9, (3, 4, 4)).astype(np.float32)
PERFECT: dict[str, tuple[np.ndarray, dict[str, np.ndarray]]] = {
    "class": (np.arange(3), {"output": EYE}),
    "classes": (EYE.astype(np.uint8), {"output": EYE}),
    "numbers": (EYE, {"output": EYE}),
    "mask": (MASKS, {"output": CHANCES}),
    "depth": (DEPTHS, {"output": DEPTHS[..., None]}),
    "boxes": one_box_each(),
    HEADS: (together({"one": np.arange(3), "other": np.arange(3)}), {"one": EYE, "other": EYE}),
}
"""Targets of three images, and the outputs that say exactly that, by the kind of targets."""
ONE_EACH = [{"output": name, "task": "classification"} for name in ("one", "other")]


@pytest.mark.parametrize(
    "name", [name for name, cls in TASKS.classes.items() if not cls.compares_numbers]
)
def test_a_task_scores_perfect_and_hopeless_predictions(name: str) -> None:
    task = TASKS.parse(ONE_EACH if name == HEADS else {"task": name}, "test")
    labels, arrays = PERFECT[HEADS if name == HEADS else task.target]
    turned = {
        key: np.roll(each, 1, axis=0 if name == "depth" else -1) for key, each in arrays.items()
    }
    right, wrong = Outputs(arrays), Outputs(turned)
    best, worst = (task.metric(each, labels) for each in (right, wrong))
    assert best == (1.0 if task.headline.higher_is_better else 0.0)
    assert task.headline.gain_points(best, worst) > 10
    if task.target in ("class", "mask", "boxes"):
        assert worst == 0.0
    good, bad = (task.score_per_image(each, labels) for each in (right, wrong))
    assert good.shape == (3,)
    assert (good > bad).all()
    sampled = task.resampled(right, labels)(np.array([0, 2, 2]))
    assert sampled == pytest.approx(best)
    assert task.same_answer(right, right).all()
    assert not task.same_answer(wrong, right).any()


@pytest.mark.parametrize("name", EXPORTERS.classes)
def test_an_exporter_has_a_float_twin_and_a_runtime(name: str) -> None:
    cls = EXPORTERS.classes[name]
    for precision in cls.precisions:
        assert cls(precision=precision).twin().precision == "float32"
    assert [each for each in RUNTIMES.classes.values() if each.format == cls.format]


@pytest.mark.parametrize("name", EXPORTERS.classes)
def test_calibration_images_are_refused_where_they_would_be_ignored(name: str) -> None:
    with pytest.raises(InputError, match="needs no calibration"):
        EXPORTERS.parse(
            {"format": name, "precision": "float32", "calibration_images": 10}, "export[1]"
        )


@pytest.mark.parametrize("name", DATASETS.classes)
def test_a_source_does_not_accept_what_is_not_there(name: str, tmp_path: Path) -> None:
    assert not DATASETS.classes[name].accepts(tmp_path / "nothing.here")


@pytest.mark.parametrize("name", IMPORTERS.classes)
def test_an_importer_refuses_a_file_of_noise(name: str, tmp_path: Path) -> None:
    cls = IMPORTERS.classes[name]
    for suffix in cls.suffixes:
        path = tmp_path / f"noise{suffix}"
        path.write_bytes(np.random.default_rng(0).bytes(1000))
        with pytest.raises(InputError, match=str(path)):
            cls().load(path)


BOARD = Profile(
    title="Board", core="none", flash_bytes=10**9, ram_bytes=10**9, source="https://example.org"
)


@pytest.mark.parametrize("name", TARGETS.classes)
def test_a_target_takes_some_format_and_names_what_it_takes(name: str) -> None:
    target = TARGETS.classes[name]()
    assert set(target.formats) <= {cls.format for cls in RUNTIMES.classes.values()}
    assert not target.address or target.address in type(target).model_fields
    other = deployed_file("dense", others=(f"int8.{target.formats[0]}",))
    with pytest.raises(InputError, match=rf"--artifact int8\.{target.formats[0]}"):
        target.check(other, None)


# Generated C plans the arena of a real file: tests/targets/c.
@pytest.mark.parametrize(
    "name", [name for name, cls in TARGETS.classes.items() if not issubclass(cls, CProject)]
)
@pytest.mark.parametrize("memory", ["flash_bytes", "ram_bytes"])
def test_a_target_refuses_a_board_that_is_too_small(name: str, memory: str) -> None:
    target = TARGETS.classes[name]()
    file = deployed_file(target.formats[0])
    with pytest.raises(InputError, match=r"more than Board has; accepted: 100 bytes or fewer"):
        target.check(file, BOARD.model_copy(update={memory: 100}))
