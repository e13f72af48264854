"""Files that are no classifiers are compared number by number."""

from pathlib import Path

import numpy as np
import pytest
from lite_converter import lite_converter
from PIL import Image

import edgecv
from edgecv.analysis.bench import BenchOptions, bench_files
from edgecv.core.data import Outputs
from edgecv.core.errors import InputError
from edgecv.evaluation.output_differences import output_differences


def two_heads(
    path: Path, *, offset: float = 0.0, names: tuple[str, str] = ("boxes", "sizes"), heads: int = 2
) -> Path:
    """Write a network of a sensor's window (N, 6) and an index: boxes (N, 2, 4), sizes (N, 3)."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    constants = {
        "wide": random.normal(size=(6, 8)).astype(np.float32) + np.float32(offset),
        "few": random.normal(size=(6, 3)).astype(np.float32),
        "shape": np.array([0, 2, 4]),
        "table": random.normal(size=(2, 6)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Gather", ["table", "place"], ["row"]),
        helper.make_node("Add", ["window", "row"], ["sum"]),
        helper.make_node("MatMul", ["sum", "wide"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], [names[0]]),
        helper.make_node("MatMul", ["sum", "few"], [names[1]]),
    ]
    outputs = [
        helper.make_tensor_value_info(names[0], TensorProto.FLOAT, ["n", 2, 4]),
        helper.make_tensor_value_info(names[1], TensorProto.FLOAT, ["n", 3]),
    ]
    graph = helper.make_graph(
        nodes,
        "heads",
        [
            helper.make_tensor_value_info("window", TensorProto.FLOAT, ["n", 6]),
            helper.make_tensor_value_info("place", TensorProto.INT64, ["n"]),
        ],
        outputs[:heads],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )
    return path


def test_each_output_is_compared_and_the_run_is_inconclusive(tmp_path: Path) -> None:
    path, other = two_heads(tmp_path / "a.onnx"), two_heads(tmp_path / "b.onnx", offset=0.01)
    report = edgecv.validate(other, baseline=path)
    (comparison,) = report.comparisons
    boxes, sizes = comparison.output_differences
    assert (boxes.name, boxes.shape) == ("boxes", (2, 4))
    # Each number is off by 0.01 times the sum of the window and a row of the table.
    assert 0.001 < boxes.mean < boxes.largest < 0.1
    assert sizes.largest == 0
    assert report.outcome == "inconclusive"
    (gate,) = (each for each in report.gates if each.outcome == "inconclusive")
    assert "2 outputs compared by numbers" in gate.reason


def test_outputs_of_other_names_are_taken_in_order(tmp_path: Path) -> None:
    path = two_heads(tmp_path / "a.onnx")
    renamed = two_heads(tmp_path / "b.onnx", names=("Identity", "Identity_1"))
    (comparison,) = edgecv.validate(renamed, baseline=path).comparisons
    assert [each.largest for each in comparison.output_differences] == [0, 0]


def test_what_names_answers_is_refused_beside_numbers(tmp_path: Path) -> None:
    """Both were taken and ignored."""
    path, other = two_heads(tmp_path / "a.onnx"), two_heads(tmp_path / "b.onnx")
    (names := tmp_path / "names.txt").write_text("no\nsuch\n")
    with pytest.raises(InputError, match=r"^task= and labels: nothing is taken for"):
        edgecv.validate(other, baseline=path, task="classification", labels=names)
    assert edgecv.validate(other, baseline=path, task="outputs").recipe["task"]["task"] == "outputs"


def test_fewer_outputs_are_a_failure(tmp_path: Path) -> None:
    path, other = two_heads(tmp_path / "a.onnx"), two_heads(tmp_path / "b.onnx", heads=1)
    report = edgecv.validate(other, baseline=path)
    assert report.outcome == "failed"
    assert report.gates[0].reason == "gives 1 output, the baseline gives 2"


def test_any_inputs_are_timed_in_batches_too(tmp_path: Path) -> None:
    paths = [two_heads(tmp_path / "a.onnx"), two_heads(tmp_path / "b.onnx")]
    found = bench_files(paths, BenchOptions(budget=1.0, batch=4))
    assert found.failures == {}
    assert found.timings[0].verdict == "first"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 8x8 images without labels."""
    folder = tmp_path_factory.mktemp("images")
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_logits_of_unlabelled_images_are_not_softmaxed(tmp_path: Path, images: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["box"]),
        ],
        "box",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("box", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path, other = tmp_path / "box.onnx", tmp_path / "other.onnx"
    onnx.save(model, path)
    onnx.save(model, other)
    names = tmp_path / "labels.txt"
    names.write_text("a\nb\nc\n")  # They say nothing of numbers that are no classes.
    report = edgecv.validate(path, baseline=other, data=images, preprocess="0..255")
    (comparison,) = report.comparisons
    assert report.outcome == "passed"
    assert report.recipe["task"]["task"] == "outputs"
    assert comparison.output_differences[0].largest == 0
    with pytest.raises(InputError, match="nothing says what they stand for"):
        edgecv.validate(path, data=images, preprocess="0..255")
    made = edgecv.compress(
        path, data=images, preprocess="0..255", quantize="none", output=tmp_path / "out"
    )
    assert made.recipe["task"]["task"] == "outputs"
    assert made.comparisons[0].output_differences[0].largest < 1e-3
    names.write_text("a\nb\nc\nd\n")
    asked = edgecv.validate(path, baseline=other, data=images, preprocess="0..255", labels=names)
    assert asked.comparisons[0].agreement == 1.0
    assert {gate.name: gate.outcome for gate in asked.gates}["labels"] == "passed"


def test_the_figures_are_those_of_numpy() -> None:
    random = np.random.default_rng(0)
    true = random.normal(size=(5, 2, 3)).astype(np.float32)
    own = true + random.normal(0, 0.1, true.shape).astype(np.float32)
    (found,) = output_differences(Outputs.one(own), Outputs.one(true))
    assert found.mean == pytest.approx(np.abs(own - true).mean(), rel=1e-5)
    assert found.largest == pytest.approx(np.abs(own - true).max(), rel=1e-5)
    assert found.of_range == pytest.approx(np.abs(own - true).max() / np.ptp(true), rel=1e-5)
    pairs = zip(own.reshape(5, -1), true.reshape(5, -1), strict=True)
    cosines = [one @ other / np.linalg.norm(one) / np.linalg.norm(other) for one, other in pairs]
    assert found.cosine == pytest.approx(np.mean(cosines), rel=1e-5)
    with pytest.raises(ValueError, match="has NaN or infinity"):
        output_differences(Outputs.one(own * np.nan), Outputs.one(true))


def test_all_that_is_missing_is_asked_for_at_once(tmp_path: Path) -> None:
    """A file of maps, whose graph does not show its pixels: two things, one refusal."""
    from edgecv.models.tf import keras

    image = keras.Input((16, 16, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 3, activation="relu")(image))
    content = lite_converter(model).convert()
    (tmp_path / "maps.tflite").write_bytes(content)
    with pytest.raises(InputError) as error:
        edgecv.validate(tmp_path / "maps.tflite", data="digits")
    assert "baseline=FILE compares the numbers; beside that, give" in str(error.value)
    assert "preprocess=" in str(error.value)


def of_images(path: Path, *, prefix: str = "", **outputs: list[int]) -> Path:
    """Write a network of 8x8 images with these outputs, by their shapes."""
    import onnx
    from onnx import TensorProto, helper

    nodes = {
        "boxes": helper.make_node("Reshape", ["scaled", "pairs"], [f"{prefix}boxes"]),
        "maps": helper.make_node("Relu", ["scaled"], [f"{prefix}maps"]),
    }
    graph = helper.make_graph(
        [helper.make_node("Mul", ["image", "two"], ["scaled"]), *(nodes[name] for name in outputs)],
        "images",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [
            helper.make_tensor_value_info(f"{prefix}{name}", TensorProto.FLOAT, ["n", *shape])
            for name, shape in outputs.items()
        ],
        [
            helper.make_tensor("pairs", TensorProto.INT64, [3], [0, 96, 2]),
            helper.make_tensor("two", TensorProto.FLOAT, [], [2.0]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def test_a_refusal_names_what_gives_these_outputs_a_meaning(tmp_path: Path, images: Path) -> None:
    both = of_images(tmp_path / "both.onnx", boxes=[96, 2], maps=[3, 8, 8])
    maps = of_images(tmp_path / "maps.onnx", maps=[3, 8, 8])
    (names := tmp_path / "labels.txt").write_text("a\nb\n")
    for path, labels, remedy in (
        (both, names, 'task="boxes=TASK", once for each output'),
        (maps, None, "task=TASK says what they are"),
    ):
        with pytest.raises(InputError, match="nothing says what they stand for") as error:
            edgecv.validate(path, data=images, preprocess="0..1", labels=labels)
        assert remedy in str(error.value)
        assert "names each as a class" not in str(error.value)


@pytest.mark.parametrize("task", ["classification", "depth", "multilabel", "regression"])
def test_a_task_of_one_output_is_refused_for_two(tmp_path: Path, images: Path, task: str) -> None:
    path = of_images(tmp_path / "both.onnx", boxes=[96, 2], maps=[3, 8, 8])
    with pytest.raises(InputError, match=f"gives 2 outputs: boxes, maps; .*one output for {task}"):
        edgecv.validate(path, data=images, preprocess="0..1", task=task)


def test_outputs_of_other_names_and_order_are_examined_as_the_baseline_s(
    tmp_path: Path, images: Path
) -> None:
    path = of_images(tmp_path / "a.onnx", boxes=[96, 2], maps=[3, 8, 8])
    other = of_images(tmp_path / "b.onnx", prefix="other_", maps=[3, 8, 8], boxes=[96, 2])
    given = {"baseline": other, "data": images, "preprocess": "0..1"}
    report = edgecv.validate(path, **given)  # type: ignore[arg-type]
    assert report.comparisons[0].agreement == 1.0
    diagnosis = edgecv.doctor(path, beside=other, **given)  # type: ignore[arg-type]
    kinds = {each.name for each in diagnosis.findings}
    assert "wrong-output" not in kinds
    assert "no-reference" in kinds  # They have no layer with weights.
    (good,) = (each for each in diagnosis.findings if each.name == "good-outputs")
    assert "boxes without error, maps without error" in good.observed
    assert diagnosis.parity is not None
    assert set(sum(diagnosis.parity.agreement, ())) == {1.0}
