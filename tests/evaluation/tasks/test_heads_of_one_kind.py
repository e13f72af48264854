"""Two heads that learn one kind of targets, each told by its name: classes, and numbers."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import edgecv
from edgecv.acceptance.testing.accepted_file import read_accepted
from edgecv.acceptance.testing.assertions import ComparedPair
from edgecv.acceptance.testing.fixture import EdgecvCompare
from edgecv.acceptance.testing.session import CompareSession
from edgecv.analysis.doctor.text import to_text
from edgecv.analysis.options import DoctorOptions, doctor
from edgecv.core.data import Dataset
from edgecv.core.errors import InputError
from edgecv.core.registry import TASKS
from edgecv.core.report import Report
from edgecv.datasets.arrays import Arrays
from edgecv.datasets.resolve import resolve
from edgecv.evaluation.task_of import task_of
from edgecv.models.tf import keras
from edgecv.pipeline.prediction_cache import NO_CACHE

SIDE = 12
COLOURS, LIGHTS = ("red", "green", "blue"), ("dark", "bright")
HEADS = ("colour", "light", "most", "least")


def coloured_images() -> dict[str, Any]:
    """Return images of one colour with noise: which is strongest, is it bright, how much of it."""
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {"class_names_colour": np.array(COLOURS)}
    for name, count in (("train", 120), ("test", 80)):
        light = np.arange(count) % 2
        colours = random.integers(20, 90, (count, 3)) + 100 * light[:, None]
        colour = random.integers(0, 3, count)
        colours[np.arange(count), colour] = colours.max(axis=1) + 20
        noise = random.integers(-6, 7, (count, SIDE, SIDE, 3))
        images = (colours[:, None, None] + noise).clip(0, 255).astype(np.uint8)
        means = images.mean(axis=(1, 2)) / 255
        arrays |= {f"x_{name}": images, f"y_{name}_colour": colour, f"y_{name}_light": light}
        arrays |= {f"y_{name}_most": means.max(axis=1), f"y_{name}_least": means.min(axis=1)}
    return arrays


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with images and a model of four heads, whose weights are what they answer."""
    home = tmp_path_factory.mktemp("kinds")
    arrays = coloured_images()
    np.savez(home / "colours.npz", **arrays)
    layers = keras.layers
    image = keras.Input((SIDE, SIDE, 3))
    pixels = layers.Rescaling(1 / 255)(image)
    mean = layers.GlobalAveragePooling2D()(layers.Conv2D(3, 1, name="mix")(pixels))
    ends = {
        "colour": layers.Dense(3, name="colour"),
        "light": layers.Dense(2, activation="softmax", name="light"),
        "most": layers.Dense(1, name="most"),
        "least": layers.Dense(1, name="least"),
    }
    model = keras.Model(image, {name: end(mean) for name, end in ends.items()})
    model.get_layer("mix").set_weights([np.eye(3)[None, None], np.zeros(3)])
    ends["colour"].set_weights([20 * np.eye(3), np.zeros(3)])
    ends["light"].set_weights([np.array([[-20.0, 20.0]] * 3), np.array([1.0, -1.0]) * 27])
    train = arrays["x_train"].mean(axis=(1, 2)) / 255
    rows = np.column_stack([train, np.ones(len(train))])
    for name in ("most", "least"):
        found = np.linalg.lstsq(rows, arrays[f"y_train_{name}"], rcond=None)[0]
        ends[name].set_weights([found[:3, None], found[3:]])
    model.save(home / "colours.keras")
    edgecv.compress(
        home / "colours.keras",
        data=home / "colours.npz",
        quantize="int8",
        formats="onnx",
        name="kinds",
        output=home,
        max_drop=5.0,
    )
    return home


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    return edgecv.validate(folder / "kinds")


def test_each_head_is_told_by_its_name_and_judged_by_its_own_targets(report: Report) -> None:
    assert [(each.name, each.task.name) for each in task_of(report).heads()] == [
        ("colour", "classification"),
        ("least", "regression"),
        ("light", "classification"),
        ("most", "regression"),
    ]
    assert report.data.head_classes == {
        "colour": COLOURS, "light": ("0", "1"), "most": ("most",), "least": ("least",)
    }  # fmt: skip
    assert report.baseline is not None
    values = report.baseline.head_values
    assert values["colour"] == values["light"] == 1.0
    assert 0 < (values["most"] or 0) < 0.1
    assert 0 < (values["least"] or 0) < 0.1
    assert {each.head for each in report.comparisons} == set(HEADS)
    assert report.outcome != "failed", report.gates


def loaded(arrays: dict[str, Any]) -> Dataset:
    return Arrays.of(arrays).load((SIDE, SIDE, 3), 0, lambda done, total: None)


def test_a_head_may_name_its_targets() -> None:
    data = loaded(coloured_images())
    task = TASKS.parse(
        [
            {"output": "dense", "task": "classification", "target": "colour"},
            {"output": "dense_1", "task": "regression", "target": ["least", "most"]},
        ],
        "task",
    )
    assert TASKS.parse(TASKS.table(task), "task") == task
    found = task.of_task(data)
    assert found.target_names == {"dense": COLOURS, "dense_1": ("least", "most")}
    assert (found.test.labels["dense"] == data.test.labels["colour"]).all()
    assert found.test.labels["dense_1"].shape == (80, 2)
    assert (found.train.labels["dense_1"][:, 1] == data.train.labels["most"]).all()


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ({"task": "classification", "target": "color"}, 'did you mean "colour"?'),
        ({"task": "classification", "target": "most"}, "accepted: whole numbers from 0 on"),
        ({"task": "segmentation", "target": "colour"}, "are mask, which have no names"),
        ({"task": "regression", "target": "colour", "kind": "boxes"}, "has no boxes"),
        ({"task": "outputs", "target": "colour"}, "are of no use"),
    ],
)
def test_wrong_names_of_targets_are_refused(table: dict[str, Any], found: str) -> None:
    other = {"output": "light", "task": "classification"}
    with pytest.raises(InputError) as error:
        TASKS.parse([{"output": "dense", **table}, other], "task").of_task(
            loaded(coloured_images())
        )
    assert found in str(error.value)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"class_names_colour": np.array(["red", "green"])}, "accepted: 0..1"),
        ({"class_names_colours": np.array(COLOURS)}, "names the classes of no targets"),
        ({"class_names_colour": np.arange(3)}, "class_names_colour is int64"),
    ],
)
def test_wrong_names_of_classes_are_refused(change: dict[str, Any], found: str) -> None:
    with pytest.raises(InputError) as error:
        Arrays.of(coloured_images() | change)
    assert found in str(error.value)


def test_columns_of_a_table_are_targets_of_heads(tmp_path: Path) -> None:
    arrays, rows = coloured_images(), ["file,colour,light,most,least"]
    for number in range(60):
        Image.fromarray(arrays["x_train"][number]).save(tmp_path / f"{number}.png")
        colour, light = arrays["y_train_colour"][number], arrays["y_train_light"][number]
        numbers = arrays["y_train_most"][number], arrays["y_train_least"][number]
        rows.append(f"{number}.png,{COLOURS[colour]},{LIGHTS[light]},{numbers[0]},{numbers[1]}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    data = resolve(str(tmp_path)).load((SIDE, SIDE, 3), 0, lambda done, total: None)
    kinds = {"colour": "classification", "light": "classification"}
    kinds |= {"most": "regression", "least": "regression"}
    task = TASKS.parse([{"output": key, "task": each} for key, each in kinds.items()], "task")
    found = task.of_task(data)
    assert found.target_names == {
        "colour": tuple(sorted(COLOURS)), "light": ("bright", "dark"),
        "most": ("most",), "least": ("least",),
    }  # fmt: skip
    brightness = found.test.images[:].mean(axis=(1, 2, 3))
    assert (brightness[found.test.labels["light"] == 0] > 128).all()
    assert (found.test.labels["most"] > found.test.labels["least"]).all()


def test_one_output_for_several_targets_is_refused(tmp_path: Path, folder: Path) -> None:
    for number in range(24):
        Image.fromarray(np.full((SIDE, SIDE, 3), 9 * number, np.uint8)).save(
            tmp_path / f"{number}.png"
        )
    text = "\n".join(f"{n}.png,{'ab'[n % 2]},{'cd'[n // 12]}" for n in range(24))
    (tmp_path / "labels.csv").write_text(f"file,one,two\n{text}")
    image = keras.Input((SIDE, SIDE, 3))
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(image)))
    model.save(tmp_path / "one.keras")
    with pytest.raises(InputError, match="has the targets one, two, and nothing says which"):
        edgecv.compress(tmp_path / "one.keras", data=tmp_path, output=tmp_path, preprocess="0..255")


@pytest.fixture(scope="module")
def broken(folder: Path) -> Path:
    """Return the int8 file with the scale of one head's weights three times too large."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(folder / "kinds" / "int8.onnx")
    producer = {node.output[0]: node for node in model.graph.node}
    waiting, scale = ["light"], ""
    while not scale:
        node = producer[waiting.pop(0)]
        if node.op_type in ("Gemm", "MatMul"):
            scale = producer[node.input[1]].input[1]
        waiting += [each for each in node.input if each in producer]
    for constant in model.graph.initializer:
        if constant.name == scale:
            wrong = numpy_helper.to_array(constant) * np.float32(-3)
            constant.CopyFrom(numpy_helper.from_array(wrong, scale))
    onnx.save(model, folder / "broken.onnx")
    return folder / "broken.onnx"


def test_doctor_names_the_output_that_is_wrong(broken: Path, folder: Path) -> None:
    given = {"baseline": folder / "colours.keras", "data": str(folder / "colours.npz")}
    found = doctor(DoctorOptions(path=broken, **given))
    wrong = {each.where for each in found.findings if each.name == "wrong-output"}
    assert wrong == {"the output light"}
    (good,) = (each.observed for each in found.findings if each.name == "good-outputs")
    assert all(f"{name} " in good for name in HEADS if name != "light")
    assert found.parity is not None
    assert {name for name, _ in found.parity.heads} == set(HEADS)
    whole = doctor(DoctorOptions(path=folder / "kinds"))
    assert not [each for each in whole.findings if each.severity == "error"], to_text(whole)


@pytest.fixture
def compare(folder: Path) -> Callable[[str, bool], ComparedPair]:
    def make(name: str, update: bool = False) -> ComparedPair:
        session = CompareSession(folder, NO_CACHE, update, lambda: folder / "test_colours.py")
        return EdgecvCompare(session)(name, baseline="colours.keras", data="colours.npz")

    return make


def test_a_test_accepts_every_head(
    compare: Callable[..., ComparedPair], folder: Path, broken: Path
) -> None:
    with pytest.raises(AssertionError) as nothing:
        compare("kinds/int8.onnx").assert_as_accepted(name="shipped")
    assert set(re.findall(r"\n  head +(.*)", str(nothing.value))) == set(HEADS)
    compare("kinds/int8.onnx", True).assert_as_accepted(name="shipped")
    (lock,) = read_accepted(folder / "test_colours.edgecv.lock").values()
    assert lock.baseline.metric == "accuracy"
    assert list(lock.heads) == ["least", "light", "most"]
    compare("kinds/int8.onnx").assert_as_accepted(name="shipped")
    with pytest.raises(AssertionError) as worse:
        compare("broken.onnx").assert_as_accepted(name="shipped")
    text = str(worse.value)
    assert "int8.onnx (light): " in text
    assert "(colour): " not in text
    fallen = re.search(r"accuracy 100.00% -> ([\d.]+)%", text)
    assert fallen is not None
    assert float(fallen[1]) <= 50
