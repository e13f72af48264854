"""Records with arrays come back as they went, and what cannot be one is refused in one line."""

import json
from typing import Any

import numpy as np
import pytest

from edgecv.core.artifact import Activation, SessionFacts, TensorFacts
from edgecv.core.quantization import Kernel, Link, Point, Steps, Stored
from edgecv.system.isolation.codec import decode, decode_printable, encode
from edgecv.system.isolation.model_answers import read_stored
from edgecv.system.isolation.protocol import Frame, MalformedFrame

pytestmark = pytest.mark.quick

ROW = np.ones(2, np.float32)
STEPS = Steps(0.5, 3, -128, 127)


def frame(record: Any, *arrays: np.ndarray) -> Frame:
    text = record if isinstance(record, bytes) else json.dumps(record).encode()
    return Frame({}, [np.frombuffer(text, np.uint8), *arrays])


def stored(**changed: Any) -> Stored:
    kernel = Kernel("conv", "int8", np.ones((2, 3, 4), np.float32), ROW, ROW, ROW, 1, True)
    facts: dict[str, Any] = {
        "kernels": (kernel, kernel),
        "points": (Point("a", "kernel", True, STEPS), Point("b", "add", False)),
        "links": (Link("a", "add", True, STEPS, STEPS),),
        "pixels": np.ones((3, 4), np.float32),
        "operators": (("CONV_2D", 2),),
    }
    return Stored(**{**facts, **changed})


def test_a_record_comes_back_as_it_went() -> None:
    sent = stored()
    header, arrays = encode(Stored, sent)
    assert header == {}
    assert len(arrays) == 1 + 2 * 4 + 1
    back = read_stored(Frame({}, list(arrays)))
    assert (back.points, back.links, back.operators) == (sent.points, sent.links, sent.operators)
    assert back.kernels[0].is_depthwise
    for name in ("values", "steps", "bias", "bias_steps"):
        np.testing.assert_array_equal(
            getattr(back.kernels[1], name), getattr(sent.kernels[1], name)
        )
    np.testing.assert_array_equal(back.pixels, sent.pixels)
    assert read_stored(Frame({}, list(encode(Stored, stored(pixels=None))[1]))).pixels is None


def test_texts_of_a_file_cannot_move_the_cursor() -> None:
    tensor = TensorFacts("a\x1b[2J" + "b" * 400, (1, 2), "int8", 1.0, 0)
    sent = SessionFacts(tensor, (tensor,), ((10,),), (1, 2, 3), ("\x1b",))
    back = decode_printable(SessionFacts, Frame({}, list(encode(SessionFacts, sent)[1])))
    assert back.input.name.startswith("a?[2Jb")
    assert len(back.input.name) == 300
    assert back.notes == ("?",)
    assert back.image == (1, 2, 3)


ACTIVATION = {"name": "a", "type": "b", "inputs": ["c"], "values": 0}
MATRIX = np.zeros((2, 3), np.float32)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (Frame({}, []), "no record"),
        (Frame({}, [MATRIX]), "no record"),
        (frame(b"\xff{", MATRIX), "Invalid JSON"),
        (frame(b"[" * 100_000, MATRIX), "recursion limit exceeded"),
        (frame({}, MATRIX), "the record: Input should be a valid array"),
        (frame([ACTIVATION]), "0.values: Value error, is the index of no array"),
        (frame([{**ACTIVATION, "values": -1}], MATRIX), "index of no array"),
        (frame([{**ACTIVATION, "values": False}], MATRIX), "index of no array"),
        (frame([{**ACTIVATION, "values": "0"}], MATRIX), "index of no array"),
        (frame([ACTIVATION], ROW), "is an array of float32"),
        (frame([ACTIVATION], MATRIX.astype(np.int64)), "is an array of int64"),
        (frame([{**ACTIVATION, "name": 3}], MATRIX), "0.name: Input should be a valid string"),
        (frame([{**ACTIVATION, "inputs": "c"}], MATRIX), "0.inputs: Input should be"),
    ],
)
def test_garbage_is_told_from_a_record(sent: Frame, reason: str) -> None:
    with pytest.raises(MalformedFrame) as caught:
        decode(list[Activation], sent)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"kernels": (Kernel("k", "int8", np.ones((3, 1, 1), np.float32), ROW, ROW, ROW),)},
            r"the kernel k has parts of \[2, 3\] rows",
        ),
        (
            {"kernels": (Kernel("k", "int8", np.ones((2, 0, 1), np.float32), ROW, ROW, ROW),)},
            "the kernel k",
        ),
        ({"points": (Point("p", "add", False, Steps(1.0, 2**40, 0, 1)),)}, "steps that no tensor"),
        ({"links": (Link("l", "add", True, STEPS, Steps(1.0, 0, 0, 2**40)),)}, "steps that no"),
        ({"points": (Point("p", "add", False, Steps(float("nan"), 0, 0, 1)),)}, "points.0.steps"),
        ({"pixels": np.ones((3, 3), np.float32)}, "pixels become"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(MalformedFrame, match=reason):
        read_stored(Frame({}, list(encode(Stored, stored(**changed))[1])))


def test_a_scale_that_is_infinite_is_refused() -> None:
    text = encode(Stored, stored())[1][0].tobytes().replace(b'"scale":0.5', b'"scale":Infinity')
    arrays = encode(Stored, stored())[1][1:]
    with pytest.raises(MalformedFrame):
        read_stored(frame(text, *arrays))
