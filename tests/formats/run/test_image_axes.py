"""The axes of an image in an input: found by shape, and refused where they are unclear."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.core.artifact import TensorFacts
from edgecv.core.errors import UnsuitableFile
from edgecv.core.input_spec import InputSpec, input_spec_of
from edgecv.formats.image_axes import image_axes
from edgecv.formats.image_input import pixel_encoder
from edgecv.formats.onnx.runtime import OnnxRuntime
from edgecv.formats.pixel_transform import Pixels

pytestmark = pytest.mark.quick

PATH, CLASSES = Path("a.file"), 5
IMAGES = np.random.default_rng(1).integers(0, 256, (7, 8, 9, 3), dtype=np.uint8)
WEIGHTS = {c: np.random.default_rng(0).normal(size=(c, CLASSES)).astype("f") for c in (1, 3)}


def axes(shape: tuple[int, ...], answers: tuple[int, ...] = (), **flags: str) -> Any:
    facts = TensorFacts("input", shape, "float32")
    return image_axes(PATH, facts, input_spec_of(**flags), answers)


@pytest.mark.parametrize(
    ("shape", "answers", "order", "image", "batch"),
    [
        ((-1, 32, 32, 3), (-1, 10), "NHWC", (32, 32, 3), -1),
        ((1, 3, 32, 48), (1, 10), "NCHW", (32, 48, 3), 1),
        ((8, 3, 32, 32), (8, 10), "NCHW", (32, 32, 3), 8),
        ((-1, 28, 28), (-1, 10), "NHW", (28, 28, 1), -1),
        ((1, 28, 28), (1, 10), "NHW", (28, 28, 1), 1),
        ((8, 28, 28), (8, 10), "NHW", (28, 28, 1), 8),
        ((3, 224, 224), (1, 10), "CHW", (224, 224, 3), 1),
        ((3, 224, 224), (3, 10), "NHW", (224, 224, 1), 3),
        ((3, 224, 224), (10,), "CHW", (224, 224, 3), 1),
        ((224, 224, 3), (1, 10), "HWC", (224, 224, 3), 1),
        ((28, 28, 1, -1), (10, -1), "HWCN", (28, 28, 1), -1),
        ((3, 28, 28, -1), (10, -1), "CHWN", (28, 28, 3), -1),
        ((28, 28, 3, 1), (1, 10), "HWCN", (28, 28, 3), 1),
    ],
)
def test_the_order_of_axes(
    shape: tuple[int, ...],
    answers: tuple[int, ...],
    order: str,
    image: tuple[int, int, int],
    batch: int,
) -> None:
    found = axes(shape, answers)
    assert (found.order, found.image, found.batch) == (order, image, batch)
    assert found.shape(max(1, batch)) == [max(1, side) for side in shape]


@pytest.mark.parametrize(
    ("shape", "flags", "message"),
    [
        ((-1, -1, -1, 3), {}, "height and width are open; .*give --input-size HEIGHTxWIDTH"),
        ((-1, -1, 28), {}, "its height is open"),
        ((1, 1, 64, -1), {}, "its width is open"),
        ((-1, 32, 32, 3), {"input_size": "64x64"}, "says 64x64; leave --input-size out"),
        ((-1, 3, 32, 3), {}, "give --layout nchw or --layout nhwc"),
        ((-1, 3, 32, 32), {"layout": "nhwc"}, "and --layout says nhwc"),
        ((-1, 784), {}, "accepted: images of one size"),
        ((-1, 96, 40, 8), {}, "accepted: images of one size"),
        ((-1, -1, -1), {}, "accepted: images of one size"),
        ((1, 5, 224, 224), {}, "accepted: images of one size"),
        ((-1, 20, 2), {}, "accepted: images of one size"),
    ],
)
def test_what_is_unclear_is_wrong_input(
    shape: tuple[int, ...], flags: dict[str, str], message: str
) -> None:
    with pytest.raises(UnsuitableFile, match=message) as caught:
        axes(shape, (-1, 10), **flags)
    assert caught.value.exit_code == 2


def test_a_flag_tells_size_and_order() -> None:
    assert axes((-1, -1, -1, 3), input_size="48x64").image == (48, 64, 3)
    assert axes((-1, 3, 32, 3), layout="nchw").image == (32, 3, 3)
    assert axes((-1, 4, 32, 32), layout="nchw").order == "NCHW"
    assert axes((-1, 32, 32, 3), input_size="32x32").image == (32, 32, 3)


@pytest.mark.parametrize("order", ["NHWC", "NCHW", "NHW", "HWC", "CHW", "HWCN", "CHWN"])
def test_a_pixel_is_followed_in_each_order(order: str) -> None:
    """The width is that of the channels, so that a shape alone does not tell them apart."""
    channels = 1 if "C" not in order else 3
    facts = TensorFacts("input", (), "float32")
    asked = input_spec_of("imagenet" if channels == 3 else "-1..1").preprocess
    assert asked is not None
    pixels = Pixels(pixel_encoder(facts, order, asked, channels), (4, 3, channels), order)
    expected = np.column_stack([np.diag(np.atleast_1d(asked.scale)), np.atleast_1d(asked.offset)])
    assert pixels.found is not None
    np.testing.assert_allclose(pixels.found, expected, rtol=1e-5)


def network(path: Path, order: str, batch: int | str) -> Path:
    """Write an ONNX file that gives logits of the mean colour; its input has these axes."""
    import onnx
    from onnx import helper, numpy_helper

    channels = 3 if "C" in order else 1
    lengths = {"N": batch, "H": 8, "W": 9, "C": channels}
    constants = {"weights": WEIGHTS[channels], "first": np.array([0]), "second": np.array([1])}
    make, nodes, current, axes_now = helper.make_node, [], "input", order
    if "N" not in order:
        nodes.append(make("Unsqueeze", [current, "first"], ["batched"]))
        current, axes_now = "batched", f"N{axes_now}"
    if "C" not in order:
        nodes.append(make("Unsqueeze", [current, "second"], ["grey"]))
        current, axes_now = "grey", "NCHW"
    perm = [axes_now.index(axis) for axis in "NCHW"]
    nodes += [
        make("Transpose", [current], ["moved"], perm=perm),
        make("GlobalAveragePool", ["moved"], ["pooled"]),
        make("Flatten", ["pooled"], ["flat"]),
        make("MatMul", ["flat", "weights"], ["rows"]),
    ]
    if order.endswith("N"):
        nodes.append(make("Transpose", ["rows"], ["output"], perm=[1, 0]))
    elif "N" not in order:
        nodes.append(make("Squeeze", ["rows", "first"], ["output"]))
    else:
        nodes.append(make("Identity", ["rows"], ["output"]))
    answer = [batch, CLASSES] if order.startswith("N") else [CLASSES]
    answer = [CLASSES, batch] if order.endswith("N") else answer
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("input", 1, [lengths[axis] for axis in order])],
        [helper.make_tensor_value_info("output", 1, answer)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


@pytest.mark.parametrize(
    ("order", "batch"),
    [
        ("NHWC", "n"), ("NCHW", 1), ("NCHW", 4), ("NHW", "n"), ("NHW", 4), ("HWC", 1), ("CHW", 1),
        ("HWCN", "n"), ("CHWN", "n"), ("HWCN", 1),
    ],
)  # fmt: skip
def test_files_of_each_order_answer_as_numpy_does(
    order: str, batch: int | str, tmp_path: Path
) -> None:
    path, channels = network(tmp_path / "a.onnx", order, batch), 3 if "C" in order else 1
    images, runtime = IMAGES[..., :channels], OnnxRuntime()
    spec = InputSpec(preprocess=input_spec_of("0..1").preprocess)
    session = runtime.open(path, 2, spec)
    assert session.facts.image == (8, 9, channels)
    expected = (images.astype("f") / 255).mean((1, 2)) @ WEIGHTS[channels]
    np.testing.assert_allclose(session.predict(images).only, expected, rtol=1e-4, atol=1e-5)
    session.single_call(images[:1])()
    assert runtime.executed(path, images[:1], spec)
    product = {each.type: each for each in runtime.activations(path, images[:3], spec)}["MatMul"]
    np.testing.assert_allclose(product.values, expected[:3], rtol=1e-4, atol=1e-5)
    extremes = runtime.watcher(path, 1, spec)(images)
    assert extremes.low.shape[0] == len(images)
    assert runtime.stored(path, spec).kernels
    assert not runtime.input_evidence(session, path, images[:4], spec).rescaling
