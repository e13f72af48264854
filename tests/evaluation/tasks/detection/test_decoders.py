"""Decoders: random boxes that are written as raw outputs are found again, class and corners."""

import re
import tomllib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import REPOSITORY

from edgecv.core.data import Outputs
from edgecv.core.errors import InputError
from edgecv.core.options import parse_options
from edgecv.core.registry import TASKS
from edgecv.evaluation.tasks.detection import Detection
from edgecv.evaluation.tasks.detection.boxes import Boxes
from edgecv.evaluation.tasks.detection.decoders import boxes_of, usual_decoder

pytestmark = pytest.mark.quick
IMAGES, CLASSES = 3, 5
SEEDS = st.integers(0, 10_000)


def decoder(**options: Any) -> Any:
    return parse_options(Detection, {"decoder": options}, "[task]").decoder


def outputs_of(**arrays: Any) -> Outputs:
    return Outputs({name: np.asarray(each, np.float32) for name, each in arrays.items()})


def logit(values: Any) -> Any:
    return np.log(np.asarray(values) / (1 - np.asarray(values)))


class Scene:
    """A box a class in each image, in a grid cell of its own, and the anchor that codes it."""

    def __init__(
        self, seed: int, high: int = 6, wide: int = 8, anchors: int = 2, off: float = 0.3
    ) -> None:
        random = np.random.default_rng(seed)
        self.high, self.wide, self.anchors = high, wide, anchors
        self.sizes = random.uniform(0.1, 0.4, (anchors, 2))
        # Every second cell of a row: boxes are smaller than a cell, so that none overlaps another.
        cells = [random.permutation(high * wide // 2)[:CLASSES] for _ in range(IMAGES)]
        self.cells = np.array(cells) * 2
        self.kinds = random.integers(0, anchors, (IMAGES, CLASSES))
        self.rows, self.columns = np.divmod(self.cells, wide)
        offset = random.uniform(0.5 - off, 0.5 + off, (2, IMAGES, CLASSES))
        self.middles = np.stack(
            [(self.columns + offset[0]) / wide, (self.rows + offset[1]) / high], axis=-1
        )
        self.spans = random.uniform(0.3, 0.39, (IMAGES, CLASSES, 2)) / [wide, high]
        self.scores = random.permuted(np.linspace(0.3, 0.9, IMAGES * CLASSES)).reshape(
            IMAGES, CLASSES
        )
        ends = [self.middles - self.spans / 2, self.middles + self.spans / 2]
        self.corners = np.concatenate(ends, axis=-1)

    @property
    def maps(self) -> list[dict[str, Any]]:
        return [{"cells": [self.high, self.wide], "anchors": self.sizes.tolist()}]

    def filled(self, numbers: int, values: Any, empty: float = 0.0) -> Any:
        """Return (N, H, W, A, numbers), with (N, CLASSES, numbers) where the boxes are."""
        found = np.full((IMAGES, self.high, self.wide, self.anchors, numbers), empty)
        for image in range(IMAGES):
            found[image, self.rows[image], self.columns[image], self.kinds[image]] = values[image]
        return found

    def chances(self, of: Any = logit, before: int = 0) -> Any:
        """Return (N, H, W, A, before + CLASSES): the score of a box at its class, else nearly 0."""
        values = np.full((IMAGES, CLASSES, before + CLASSES), 1e-6)
        numbers = np.arange(CLASSES)
        values[:, numbers, before + numbers] = self.scores
        return of(self.filled(before + CLASSES, values, 1e-6))

    def found_by(self, boxes: Boxes, scale: Any = 1.0) -> None:
        """Assert that these boxes were found, and no others."""
        order = np.argsort(-self.scores, axis=1)
        assert boxes.classes[:, :CLASSES].tolist() == order.tolist()
        assert (boxes.classes[:, CLASSES:] == -1).all()
        np.testing.assert_allclose(
            boxes.scores[:, :CLASSES], np.take_along_axis(self.scores, order, axis=1), atol=1e-4
        )
        expected = np.take_along_axis(self.corners, order[..., None], axis=1) * scale
        np.testing.assert_allclose(boxes.corners[:, :CLASSES], expected, atol=1e-4 * np.max(scale))


def flat(values: Any) -> Any:
    return values.reshape(IMAGES, -1, values.shape[-1])


@given(SEEDS)
def test_our_own_maps(seed: int) -> None:
    scene = Scene(seed, anchors=1)
    middle = np.stack([scene.columns + 0.5, scene.rows + 0.5], axis=-1)
    size = np.array([scene.wide, scene.high])
    ends = scene.corners.reshape(IMAGES, CLASSES, 2, 2) * size
    distances = np.concatenate([middle - ends[:, :, 0], ends[:, :, 1] - middle], axis=-1)
    given = outputs_of(
        boxes=scene.filled(4, distances)[:, :, :, 0],
        classes=scene.chances(lambda values: values)[:, :, :, 0],
    )
    scene.found_by(boxes_of(None, given))
    assert usual_decoder([(6, 8, 4), (6, 8, 5)]) == decoder(kind="edgecv")
    turned = Outputs(dict(reversed(given.arrays.items())))
    scene.found_by(boxes_of(decoder(kind="edgecv", boxes="boxes"), turned))


@given(SEEDS, st.booleans())
def test_ssd_with_a_background_and_codes_of_variances(seed: int, has_list: bool) -> None:
    scene = Scene(seed)
    sizes = scene.sizes[scene.kinds]
    own = np.stack([(scene.columns + 0.5) / scene.wide, (scene.rows + 0.5) / scene.high], -1)
    shift = (scene.middles - own) / sizes * 10
    stretch = np.log(scene.spans / sizes) * 5
    code = np.stack([shift[..., 1], shift[..., 0], stretch[..., 1], stretch[..., 0]], axis=-1)
    chances = scene.chances(np.log, before=1)
    chances[..., 0] = np.log(1 - np.exp(chances[..., 1:]).sum(-1))
    given = outputs_of(raw_boxes=flat(scene.filled(4, code)), raw_scores=flat(chances))
    options: dict[str, Any] = {"maps": scene.maps}
    if has_list:
        rows, columns, kinds = np.indices((scene.high, scene.wide, scene.anchors)).reshape(3, -1)
        middles = np.stack([(columns + 0.5) / scene.wide, (rows + 0.5) / scene.high], -1)
        options = {"anchors": np.concatenate([middles, scene.sizes[kinds]], axis=1).tolist()}
    scene.found_by(
        boxes_of(decoder(kind="ssd", activation="softmax", first_class=1, **options), given)
    )


@given(SEEDS)
def test_blazeface_s_linear_codes_in_pixels(seed: int) -> None:
    scene = Scene(seed)
    own = np.stack([(scene.columns + 0.5) / scene.wide, (scene.rows + 0.5) / scene.high], -1)
    code = np.concatenate([scene.middles - own, scene.spans, np.ones((IMAGES, CLASSES, 12))], -1)
    given = outputs_of(
        regressors=flat(scene.filled(16, code * 128)), classificators=flat(scene.chances())
    )
    maps = [{"cells": [scene.high, scene.wide], "anchors": [[1, 1]] * scene.anchors}]
    found = decoder(
        kind="ssd", maps=maps, boxes="regressors", order="xywh", scales=[128] * 4, size="linear"
    )
    scene.found_by(boxes_of(found, given))


@given(SEEDS, st.sampled_from(["v3", "v5", "x", "distances", "bins"]), st.integers(0, 4))
def test_codes_of_the_yolo_family_in_every_layout(seed: int, code: str, layout: int) -> None:
    is_free = code in ("x", "distances", "bins")
    # A distance below 0, of a box that does not hold its cell's middle, has no bin.
    scene = Scene(seed, anchors=1 if is_free else 2, off=0.1 if code == "bins" else 0.3)
    cells = np.array([scene.wide, scene.high])
    place = scene.middles * cells - np.stack([scene.columns, scene.rows], axis=-1)
    ratio = scene.spans / (1 / cells if code == "x" else scene.sizes[scene.kinds])
    if code in ("distances", "bins"):
        half = scene.spans * cells / 2
        box = np.concatenate([0.5 - place + half, place - 0.5 + half], axis=-1)
    if code == "bins":  # A distance between two whole ones is a mixture of both.
        below = np.floor(box)
        bins = np.full((*box.shape, 16), -40.0)
        for number, share in ((below, 1 - box + below), (below + 1, box - below)):
            chance = np.log(share.clip(1e-12))[..., None]
            np.put_along_axis(bins, number.astype(int)[..., None], chance, axis=-1)
        box = bins.reshape(IMAGES, CLASSES, 64)
    if code == "v3":
        box = np.concatenate([logit(place), np.log(ratio)], axis=-1)
    elif code == "v5":
        box = np.concatenate([logit((place + 0.5) / 2), logit(np.sqrt(ratio) / 2)], axis=-1)
    elif code == "x":
        box = np.concatenate([place, np.log(ratio)], axis=-1)
    has_object = code in ("v3", "v5", "x")
    parts = [scene.filled(box.shape[-1], box)]
    if has_object:
        parts.append(np.full((*parts[0].shape[:-1], 1), 30.0))
    rows = np.concatenate([*parts, scene.chances()], axis=-1)
    turned = np.moveaxis(rows, 3, 1)  # (N, A, H, W, C)
    shaped = (
        flat(rows),
        flat(rows).swapaxes(1, 2),
        turned,
        np.moveaxis(turned, -1, 2).reshape(IMAGES, -1, scene.high, scene.wide),
        flat(turned),
    )[layout]
    if (
        code in ("distances", "bins")
        and (
            np.concatenate([0.5 - place, place - 0.5], -1) + np.tile(scene.spans * cells / 2, 2)
        ).min()
        < 0
    ):
        return  # A distance below 0 has no bin, and a box that does not hold its cell's middle.
    found = decoder(
        kind="yolo",
        code=code,
        maps=scene.maps,
        objectness=has_object,
        activation="sigmoid",
        anchors_first=layout == 4,
    )
    scene.found_by(boxes_of(found, outputs_of(output=shaped)))


@given(SEEDS, st.booleans(), st.booleans(), st.booleans())
def test_rows_that_are_decoded_in_the_file(
    seed: int, is_turned: bool, has_object: bool, has_corners: bool
) -> None:
    scene = Scene(seed)
    box = scene.corners if has_corners else np.concatenate([scene.middles, scene.spans], axis=-1)
    parts = [scene.filled(4, box * 640), scene.chances(lambda values: values)]
    if has_object:
        parts.insert(1, np.full((*parts[0].shape[:-1], 1), 1.0))
    rows = flat(np.concatenate(parts, axis=-1))
    given = outputs_of(output=rows.swapaxes(1, 2) if is_turned else rows)
    found = decoder(kind="yolo", code="xyxy" if has_corners else "xywh", objectness=has_object)
    assert found.unit == "pixels"
    scene.found_by(boxes_of(found, given), 640)


def test_several_maps_come_in_their_order() -> None:
    scenes = [Scene(1, 6, 8, 1), Scene(2, 3, 4, 1)]
    maps = [each.maps[0] | {"anchors": [[1, 1]]} for each in scenes]
    rows = []
    for each in scenes:
        box = np.concatenate([each.middles, each.spans], axis=-1)
        own = np.stack([each.columns + 0.5, each.rows + 0.5], -1) / [each.wide, each.high]
        box[..., :2] -= own
        rows.append(each.filled(4, box))
    chances = [scenes[0].chances(), np.full((IMAGES, 3, 4, 1, CLASSES), -20.0)]
    joined = outputs_of(
        boxes=np.concatenate([flat(each) for each in rows], axis=1),
        scores=np.concatenate([flat(each) for each in chances], axis=1),
    )
    apart = outputs_of(b1=flat(rows[0]), b2=flat(rows[1]), s1=flat(chances[0]), s2=flat(chances[1]))
    options = {"kind": "ssd", "maps": maps, "order": "xywh", "scales": [1] * 4, "size": "linear"}
    scenes[0].found_by(boxes_of(decoder(**options), joined))
    named = decoder(**options, boxes=["b1", "b2"], scores=["s1", "s2"])
    scenes[0].found_by(boxes_of(named, apart))


def maps_apart(scenes: list[Scene], numbers: int, boxes: Any) -> list[Any]:
    """Return the maps of two strides, (N, H, W, A x C) each: the boxes are in the first."""
    empty = np.zeros((IMAGES, CLASSES, numbers))
    values = [boxes, empty]
    return [scene.filled(numbers, value) for scene, value in zip(scenes, values, strict=True)]


@pytest.mark.parametrize("layout", ["maps", "channels first", "rows"])
@given(seed=SEEDS)
def test_an_ssd_head_with_a_map_of_each_stride(seed: int, layout: str) -> None:
    scenes = [Scene(seed), Scene(seed + 1, 3, 4)]
    first = scenes[0]
    sizes = first.sizes[first.kinds]
    own = np.stack([(first.columns + 0.5) / first.wide, (first.rows + 0.5) / first.high], -1)
    code = np.concatenate([(first.middles - own) / sizes, np.log(first.spans / sizes)], -1)
    code = code[..., [1, 0, 3, 2]] * [10, 10, 5, 5]
    chances = [first.chances(), np.full((IMAGES, 3, 4, 2, CLASSES), -20.0)]

    def shaped(values: Any) -> Any:
        whole = values.reshape(*values.shape[:3], -1)
        return {"maps": whole, "channels first": np.moveaxis(whole, 3, 1), "rows": flat(values)}[
            layout
        ]

    boxes = maps_apart(scenes, 4, code)
    given = outputs_of(
        c8=shaped(chances[0]), b8=shaped(boxes[0]), c16=shaped(chances[1]), b16=shaped(boxes[1])
    )
    maps = [scenes[0].maps[0], scenes[1].maps[0]]
    options = {"kind": "ssd", "maps": maps, "boxes": ["b8", "b16"], "scores": ["c8", "c16"]}
    first.found_by(boxes_of(decoder(**options), given))
    with pytest.raises(InputError, match="or one a map for 2 maps"):
        boxes_of(decoder(**options | {"boxes": ["b16", "b8"]}), given)


@pytest.mark.parametrize("code", ["distances", "bins", "x"])
@given(seed=SEEDS)
def test_yolo_heads_whose_scores_are_apart(seed: int, code: str) -> None:
    """As YOLOv8, NanoDet, SCRFD and YuNet are exported: boxes and scores of each stride."""
    scenes = [Scene(seed, anchors=1, off=0.1), Scene(seed + 1, 3, 4, 1)]
    first, bins = scenes[0], 8
    cells = np.array([first.wide, first.high])
    place = first.middles * cells - np.stack([first.columns, first.rows], axis=-1)
    half = first.spans * cells / 2
    box = np.concatenate([0.5 - place + half, place - 0.5 + half], axis=-1)
    if code == "x":
        box = np.concatenate([place, np.log(first.spans * cells)], axis=-1)
        box = np.concatenate([box, np.ones((IMAGES, CLASSES, 10))], axis=-1)  # keypoints
    if code == "bins":
        parts = np.full((*box.shape, bins), -40.0)
        parts[..., 0], parts[..., 1] = np.log(1 - box), np.log(box.clip(1e-12))
        box = parts.reshape(IMAGES, CLASSES, 4 * bins)
    boxes = maps_apart(scenes, box.shape[-1], box)
    chances = [first.chances(), np.full((IMAGES, 3, 4, 1, CLASSES), -20.0)]
    objects = [np.full((*each.shape[:3], 1), 30.0) for each in chances]
    arrays = {"s8": chances[0], "s16": chances[1], "b8": boxes[0], "b16": boxes[1]}
    given = {name: np.moveaxis(each[:, :, :, 0], 3, 1) for name, each in arrays.items()}
    options = {"kind": "yolo", "code": code, "scores": ["s8", "s16"], "activation": "sigmoid"}
    options |= {"maps": [{"cells": [6, 8]}, {"cells": [3, 4]}]}
    if code == "bins":
        options["bins"] = bins
    if code == "x":
        given |= {"o8": objects[0].reshape(IMAGES, -1), "o16": objects[1].reshape(IMAGES, -1)}
        options |= {"objects": ["o8", "o16"], "objectness": True}
    first.found_by(boxes_of(decoder(**options), outputs_of(**given)))


@given(SEEDS, st.booleans())
def test_the_four_outputs_of_post_processing(seed: int, has_names: bool) -> None:
    scene = Scene(seed)
    order = np.argsort(-scene.scores, axis=1)
    corners = np.take_along_axis(scene.corners, order[..., None], axis=1)
    padding = ((0, 0), (0, 3))
    values = {
        "boxes": np.pad(corners[..., [1, 0, 3, 2]], (*padding, (0, 0))),
        "classes": np.pad(order, padding),
        "scores": np.pad(np.take_along_axis(scene.scores, order, 1), padding, constant_values=0.99),
        "count": np.full((IMAGES, 1), CLASSES),
    }
    names = ("TFLite_Detection_PostProcess", *(f"TFLite_Detection_PostProcess:{n}" for n in "123"))
    if not has_names:
        names = ("a", "b", "c", "d")
    given = Outputs(
        {name: each.astype(np.float32) for name, each in zip(names, values.values(), strict=True)}
    )
    scene.found_by(boxes_of(None, given))
    pixels = Outputs({**given.arrays, names[0]: given.arrays[names[0]] * 320})
    found = decoder(kind="postprocessed", coordinates="pixels")
    scene.found_by(boxes_of(found, pixels), 320)


@given(SEEDS)
def test_six_columns(seed: int) -> None:
    scene = Scene(seed)
    numbers = np.broadcast_to(np.arange(CLASSES), scene.scores.shape) + 1
    rows = np.concatenate(
        [scene.corners * 640, scene.scores[..., None], numbers[..., None]], axis=-1
    )
    found = decoder(kind="postprocessed", coordinates="pixels", first_class=1)
    scene.found_by(boxes_of(found, outputs_of(output0=rows)), 640)


def test_runtimes_leave_out_an_axis_of_one_class_or_one_box() -> None:
    rows = np.zeros((2, 6, 4))
    given = outputs_of(boxes=rows, scores=np.array([[3.0, *[-9.0] * 5], [-9.0] * 6]))
    found = boxes_of(decoder(kind="ssd", maps=[{"cells": [2, 3]}]), given)
    assert found.classes[:, 0].tolist() == [0, -1]
    one = outputs_of(output=[[1, 2, 3, 4, 0.9, 2], [1, 2, 3, 4, 0.0, 1]])
    found = boxes_of(decoder(kind="postprocessed", coordinates="pixels"), one)
    assert found.classes.tolist() == [[2], [-1]]
    apart = outputs_of(boxes=np.zeros((2, 4)), classes=[[3], [1]], scores=[[0.5], [0.7]])
    assert boxes_of(decoder(kind="postprocessed"), apart).classes.tolist() == [[3], [1]]


def test_boxes_that_overlap_better_ones_of_their_class_are_left_out() -> None:
    rows = np.zeros((1, 10, 6))
    rows[0, :4, :4] = [[50, 50, 20, 20], [51, 50, 20, 20], [51, 50, 20, 20], [80, 50, 20, 20]]
    rows[0, :4, 4:] = [[0.9, 0], [0.8, 0], [0, 0.7], [0.6, 0.3]]
    found = boxes_of(decoder(kind="yolo"), outputs_of(output=rows))
    assert found.classes[0].tolist() == [0, 1, 0, 1]
    assert found.scores[0].round(6).tolist() == [0.9, 0.7, 0.6, 0.3]
    loose = boxes_of(decoder(kind="yolo", most_overlap=0.95), outputs_of(output=rows))
    assert loose.classes[0].tolist() == [0, 0, 1, 0, 1]


def array(*shape: int) -> Any:
    return np.zeros((2, *shape))


@pytest.mark.parametrize(
    ("options", "arrays", "message"),
    [
        (None, {"a": array(10, 7)}, r"in the outputs a \[10, 7\]; accepted: kind = edgecv, ssd"),
        (
            {"kind": "edgecv"},
            {"a": array(8, 8, 4)},
            r'"edgecv" does not fit the outputs a \[8, 8, 4\]; accepted: a map of classes \[H, W',
        ),
        (
            {"kind": "edgecv"},
            {"a": array(8, 8, 4), "b": array(8, 8, 4)},
            r"which are the boxes: a and b may be it; name it: boxes = \"a\"",
        ),
        ({"kind": "edgecv"}, {"a": array(8, 8, 4), "b": array(4, 4, 3)}, "does not fit"),
        (
            {"kind": "ssd", "maps": [{"cells": [2, 3]}]},
            {"a": array(7, 4), "b": array(7, 3)},
            r"codes \[6, 4\] and scores \[6, classes\], by the anchors",
        ),
        (
            {"kind": "ssd", "maps": [{"cells": [2, 3]}]},
            {"a": array(6, 4), "b": array(6, 4)},
            "a and b may be it",
        ),
        (
            {"kind": "yolo", "code": "x", "maps": [{"cells": [2, 3]}], "objectness": True},
            {"a": array(6, 5)},
            r"rows \[6, 5 \+ classes\], or turned",
        ),
        ({"kind": "yolo", "rows": "z"}, {"a": array(6, 5)}, 'no output is called "z"'),
        (
            {"kind": "postprocessed"},
            {"a": array(9, 6)},
            'coordinates = "pixels", or "fractions"; say what the corners are',
        ),
        (
            {"kind": "postprocessed"},
            {"a": array(9, 4), "b": array(9), "c": array(9)},
            "nothing says which are the classes: b and c may be it",
        ),
    ],
)
def test_outputs_that_a_decoder_does_not_fit_are_named(
    options: Any, arrays: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Detection(decoder=options and decoder(**options)).normalized(outputs_of(**arrays), {})


def test_the_decoders_of_the_guide_are_decoders() -> None:
    page = (REPOSITORY / "docs/guides/detection.md").read_text("utf-8")
    tables = [tomllib.loads(each) for each in re.findall(r"```toml\n(.*?)```", page, re.DOTALL)]
    found = [TASKS.parse(each["task"], "guide") for each in tables]
    assert [each.decoder.kind for each in found] == ["yolo", "ssd", "yolo"]  # type: ignore[attr-defined]
    assert sum(each.count for each in found[1].decoder.maps) == 896  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "ssd"}, "maps, or anchors: one of the two"),
        ({"kind": "yolo", "code": "v5"}, "maps for a code that is not xywh or xyxy"),
        ({"kind": "yolo", "objects": "o", "scores": "s"}, "objects with objectness = true"),
        ({"kind": "yolo", "bins": 8}, 'bins for code = "bins" alone'),
        ({"kind": "retina"}, "'edgecv', 'ssd', 'yolo', 'postprocessed'"),
    ],
)
def test_wrong_options_are_refused(options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        decoder(**options)
