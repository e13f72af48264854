"""ONNX files of other makers give what numpy gives, whatever their axes, types and ends."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx_files
import pytest

from edgecv.core.errors import RuntimeFailure
from edgecv.core.input_spec import InputSpec, input_spec_of
from edgecv.core.preprocessing import NAMED
from edgecv.formats.onnx.runtime import OnnxRuntime

pytestmark = pytest.mark.quick

IMAGES = np.random.default_rng(1).integers(0, 256, (9, 8, 8, 3), dtype=np.uint8)
HALF = 1 / 127.5, -1.0


@pytest.mark.parametrize(
    ("options", "input_spec", "affine", "tolerance"),
    [
        ({}, {}, (1.0, 0.0), 1e-3),
        ({"layout": "nhwc"}, {}, (1.0, 0.0), 1e-3),
        ({"batch": 1}, {}, (1.0, 0.0), 1e-3),
        ({"batch": 4}, {}, (1.0, 0.0), 1e-3),
        ({"size": ("h", "w")}, {"input_size": "8x8"}, (1.0, 0.0), 1e-3),
        ({"layout": "nhwc", "size": ("h", "w")}, {"input_size": "8x8"}, (1.0, 0.0), 1e-3),
        ({}, {"preprocess": "0..1"}, (1 / 255, 0.0), 1e-5),
        ({"layout": "nhwc"}, {"preprocess": "-1..1"}, HALF, 1e-5),
        ({"taken": "float16"}, {"preprocess": "0..1"}, (1 / 255, 0.0), 1e-2),
        ({"given": "float16"}, {"preprocess": "0..1"}, (1 / 255, 0.0), 1e-2),
        ({"given": "float64"}, {"preprocess": "0..1"}, (1 / 255, 0.0), 1e-5),
        ({"taken": "uint8"}, {}, (1.0, 0.0), 1e-3),
        ({"taken": "uint8", "quantization": (1 / 255, 0)}, {}, (1 / 255, 0.0), 1e-4),
        ({"taken": "uint8", "quantization": (1 / 128, 128)}, {}, HALF, 0.2),
        ({"taken": "int8", "quantization": (1 / 127.5, 0)}, {}, HALF, 0.2),
        ({"taken": "int8", "quantization": (1.0, -128)}, {}, (1.0, 0.0), 1e-3),
        ({"ends_in": "map"}, {"preprocess": "0..1"}, (1 / 255, 0.0), 1e-5),
        ({"declared": ["n", "k"]}, {"preprocess": "0..1"}, (1 / 255, 0.0), 1e-5),
        (
            {"ends_in": "map", "declared": ["n", "k", "a", "b"]},
            {"preprocess": "0..1"},
            (1 / 255, 0.0),
            1e-5,
        ),
    ],
    ids=str,
)
def test_it_answers_as_numpy_does(
    options: dict[str, Any],
    input_spec: dict[str, str],
    affine: tuple[float, float],
    tolerance: float,
    tmp_path: Path,
) -> None:
    path = onnx_files.mean_colour(tmp_path / "a.onnx", **options)
    session = OnnxRuntime().open(path, 1, input_spec_of(**input_spec))
    assert session.facts.image == (8, 8, 3)
    expected = onnx_files.logits_of(IMAGES, *affine)
    np.testing.assert_allclose(session.predict(IMAGES).only, expected, atol=tolerance, rtol=1e-3)
    session.single_call(IMAGES[:1])()


def test_bgr_and_numbers_a_channel(tmp_path: Path) -> None:
    path = onnx_files.mean_colour(tmp_path / "a.onnx")
    caffe = NAMED["caffe"]
    answers = OnnxRuntime().open(path, 1, InputSpec(preprocess=caffe)).predict(IMAGES).only
    mean = IMAGES.astype(np.float64).mean((1, 2))[:, ::-1] + np.array(caffe.offset)
    np.testing.assert_allclose(answers, mean @ onnx_files.WEIGHTS * 4, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ({}, "it takes channels before height and width"),
        (
            {"taken": "uint8", "quantization": (1 / 128, 128), "layout": "nhwc"},
            "its uint8 input stands for -1 to 0.992: byte x of a pixel enters as x",
        ),
    ],
)
def test_what_was_told_by_the_file_is_said(
    options: dict[str, Any], note: str, tmp_path: Path
) -> None:
    path = onnx_files.mean_colour(tmp_path / "a.onnx", **options)
    assert OnnxRuntime().open(path, 1).facts.notes == (note,)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_a_shape_that_may_be_either_needs_a_flag(layout: str, tmp_path: Path) -> None:
    path = onnx_files.mean_colour(tmp_path / "a.onnx", layout=layout, size=(3, 3))
    with pytest.raises(RuntimeFailure, match="give --layout nchw or --layout nhwc"):
        OnnxRuntime().open(path, 1)
    images = IMAGES[:, :3, :3]
    answers = OnnxRuntime().open(path, 1, input_spec_of(layout=layout)).predict(images).only
    np.testing.assert_allclose(answers, onnx_files.logits_of(images), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "input_spec", "message"),
    [
        ({"size": ("h", "w")}, {}, "height and width are open.*give --input-size"),
        ({}, {"input_size": "9x9"}, "and --input-size says 9x9.*leave --input-size out"),
        ({"layout": "nhwc"}, {"layout": "nchw"}, "and --layout says nchw"),
        ({"taken": "int8"}, {}, '"input" is int8 and does not say its scale'),
        (
            {"taken": "int8", "quantization": (0.1, 0)},
            {},
            "stands for -12.8 to 12.7, which does not say .* give --preprocess",
        ),
    ],
)
def test_what_cannot_be_told_is_refused_with_the_flag(
    options: dict[str, Any], input_spec: dict[str, str], message: str, tmp_path: Path
) -> None:
    path = onnx_files.mean_colour(tmp_path / "a.onnx", **options)
    with pytest.raises(RuntimeFailure, match=message):
        OnnxRuntime().open(path, 1, input_spec_of(**input_spec)).predict(IMAGES)


def test_several_outputs_are_given_by_name(tmp_path: Path) -> None:
    import onnx

    path = onnx_files.mean_colour(tmp_path / "a.onnx")
    model = onnx.load(path)
    model.graph.output.append(onnx.helper.make_tensor_value_info("flat", 1, ["n", 3]))
    onnx.save(model, path)
    session = OnnxRuntime().open(path, 1)
    assert session.facts.answers == ((10,), (3,))
    assert list(session.predict(IMAGES).arrays) == ["output", "flat"]
