"""Outputs whose images lie along another axis than the first: sequences of (time, batch, class)."""

from pathlib import Path

import numpy as np
import pytest

from edgecv.core.input_spec import InputSpec, input_spec_of
from edgecv.core.output_shape import OutputShape
from edgecv.formats.image_axes import batch_axis
from edgecv.formats.onnx.adapt import Ends, adapted
from edgecv.formats.onnx.runtime import OnnxRuntime, OnnxRuntimeSession

CLASSES, TIMES = 5, 9
IMAGES = np.random.default_rng(1).integers(0, 256, (7, 8, TIMES, 3), dtype=np.uint8)
WEIGHTS = np.random.default_rng(0).normal(size=(3, CLASSES)).astype("f")
PIXELS = InputSpec(preprocess=input_spec_of("0..1").preprocess)


def ends_of(session: OnnxRuntimeSession) -> Ends:
    """Return what a run of the file has found of its ends."""
    facts = session.facts
    return Ends(
        shape=facts.image,
        outputs=(OutputShape(name="output", shape=facts.answers[0]),),
        is_classifier=False,
        axes=facts.axes,
        batch=facts.batch,
        run_shapes=facts.run_shapes,
        activation="",
        preprocess=PIXELS.preprocess,
    )


def sequences(path: Path, batch: int | str, declared: int | str) -> Path:
    """Write an ONNX file that gives scores of each column of an image: (time, batch, class)."""
    import onnx
    from onnx import helper, numpy_helper

    nodes = [
        helper.make_node("ReduceMean", ["input"], ["columns"], axes=[2], keepdims=0),
        helper.make_node("Transpose", ["columns"], ["times"], perm=[2, 0, 1]),
        helper.make_node("MatMul", ["times", "weights"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "sequences",
        [helper.make_tensor_value_info("input", 1, [batch, 3, 8, TIMES])],
        [helper.make_tensor_value_info("output", 1, [TIMES, declared, CLASSES])],
        [numpy_helper.from_array(WEIGHTS, "weights")],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


@pytest.mark.parametrize(
    ("batch", "declared"), [("n", "n"), ("n", "other"), ("n", 1), (1, 1), (4, 4)]
)
def test_each_image_has_its_own_sequence(
    batch: int | str, declared: int | str, tmp_path: Path
) -> None:
    import onnxruntime

    path = sequences(tmp_path / "a.onnx", batch, declared)
    session = OnnxRuntime().open(path, 2, PIXELS)
    assert session.facts.answers == ((TIMES, CLASSES),)
    expected = (IMAGES.astype("f") / 255).mean(1) @ WEIGHTS
    np.testing.assert_allclose(session.predict(IMAGES).only, expected, rtol=1e-4, atol=1e-5)
    content, _ = adapted(path, ends_of(session))
    (found,) = onnxruntime.InferenceSession(content).run(None, {"image": IMAGES.astype("f")})
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("batch", "domain"), [("n", ""), (1, ""), ("n", "ai.onnx")])
def test_a_file_that_lays_the_pixels_of_all_images_in_one_row_is_adapted(
    batch: int | str, domain: str, tmp_path: Path
) -> None:
    """Attention does: (batch, height, width, channels) -> (pixels of all images, channels)."""
    import onnx
    import onnxruntime
    from onnx import helper, numpy_helper

    nodes = [
        helper.make_node("Transpose", ["input"], ["last"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["last", "pixels"], ["row"]),
        helper.make_node("MatMul", ["row", "weights"], ["scores"]),
        helper.make_node("Reshape", ["scores", "images"], ["of_images"]),
        helper.make_node("ReduceMean", ["of_images"], ["output"], axes=[1], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "tokens",
        [helper.make_tensor_value_info("input", 1, [batch, 3, 8, TIMES])],
        [helper.make_tensor_value_info("output", 1, [batch, CLASSES])],
        [
            numpy_helper.from_array(WEIGHTS, "weights"),
            numpy_helper.from_array(np.array([-1, 3]), "pixels"),
            numpy_helper.from_array(np.array([-1, 8 * TIMES, CLASSES]), "images"),
        ],
    )
    opsets = [helper.make_opsetid(domain, 17)]
    path = tmp_path / "a.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    content, _ = adapted(path, ends_of(OnnxRuntime().open(path, 2, PIXELS)))
    (found,) = onnxruntime.InferenceSession(content).run(None, {"image": IMAGES.astype("f")})
    expected = (IMAGES.astype("f") / 255).mean((1, 2)) @ WEIGHTS
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "axes", "batch", "expected"),
    [
        ((-1, 10), "NHWC", -1, 0),
        ((20, -1, 37), "NCHW", -1, 1),
        ((20, 1, 37), "NCHW", 1, 1),
        ((2, 2, 37), "NCHW", 2, 0),
        ((10, -1), "HWCN", -1, 1),
        ((896, 16), "NHWC", 1, None),
        ((36, 4), "NCHW", 4, None),
        ((10,), "HWC", 1, None),
    ],
)
def test_the_axis_of_the_batch(
    shape: tuple[int, ...], axes: str, batch: int, expected: int | None
) -> None:
    assert batch_axis(shape, axes, batch) == expected


def test_a_file_that_declares_another_rank_than_it_gives_is_timed_too(tmp_path: Path) -> None:
    """Exporters of sequences declare (1, time), and the file gives (time, 1, class)."""
    import onnx

    path = sequences(tmp_path / "a.onnx", 1, 1)
    model = onnx.load(path)
    del model.graph.output[0].type.tensor_type.shape.dim[2]
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "length"
    onnx.save(model, path)
    session = OnnxRuntime().open(path, 1, PIXELS)
    assert session.facts.answers == ((TIMES, CLASSES),)
    for run in (session.single_call(IMAGES[:1]), OnnxRuntime().open_tensors(path, 1).random_call()):
        for _ in range(3):
            run()
