"""Layers find each other by weights and structure, whatever a converter calls or moves."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgecv.analysis.reference_check.kernel_pairs import paired
from edgecv.analysis.reference_check.layer_structure import paired_points, structural_causes
from edgecv.analysis.reference_check.weights import judge_weights
from edgecv.core.quantization import KERNEL, Kernel, Point, Steps, Stored

pytestmark = pytest.mark.quick


def kernel(seed: int, shape: tuple[int, ...], inputs: Sequence[int] = (), **given: Any) -> Kernel:
    random = np.random.default_rng(seed)
    nothing = np.zeros(shape[0], np.float32)
    return Kernel(
        name=f"model/layer_{seed}/Conv2D",
        type="float32",
        values=random.normal(size=shape).astype(np.float32),
        steps=nothing,
        bias=random.normal(size=shape[0]).astype(np.float32),
        bias_steps=nothing,
        inputs=tuple(inputs),
        **given,
    )


def stored(*kernels: Kernel, is_bent: bool = True) -> Stored:
    points = [Point(each.name, KERNEL, is_bent, sources=(n,)) for n, each in enumerate(kernels)]
    return Stored(kernels, tuple(points), (), None)


TWIN = stored(
    kernel(0, (8, 3, 9)),
    kernel(1, (8, 8, 9), [0]),
    kernel(2, (8, 8, 9), [1]),
    kernel(3, (8, 8, 9), [1, 2]),
    kernel(4, (5, 32, 1), [3]),
)


def causes(own: Stored, twin: Stored = TWIN) -> tuple[str, ...]:
    pairs = paired(own, twin, ()).pairs
    found = judge_weights(pairs, ())
    return (*found.causes, *structural_causes(own, twin, pairs, paired_points(own, twin, pairs)))


def changed(number: int, **given: Any) -> Stored:
    kernels = list(TWIN.kernels)
    kernels[number] = replace(kernels[number], **given)
    return replace(TWIN, kernels=tuple(kernels))


def test_names_decide_nothing() -> None:
    names = [each.name for each in reversed(TWIN.kernels)]
    kernels = [replace(each, name=name) for each, name in zip(TWIN.kernels, names, strict=True)]
    assert causes(replace(TWIN, kernels=tuple(kernels))) == ()


def test_another_order_of_branches_is_no_fault() -> None:
    twin = stored(
        kernel(0, (8, 3, 9)),
        kernel(1, (8, 8, 9), [0]),
        kernel(2, (8, 8, 9), [0]),
        kernel(3, (5, 8, 1), [1, 2]),
    )
    first, one, other, last = twin.kernels
    assert causes(stored(first, other, one, last), twin) == ()


def test_two_layers_in_each_others_place_are_named() -> None:
    first, one, other, *rest = TWIN.kernels
    own = stored(first, replace(other, inputs=(0,)), replace(one, inputs=(1,)), *rest)
    assert causes(own) == ("the layers layer_2 and layer_1 are swapped",)


def test_a_branch_that_is_lost_is_named() -> None:
    assert causes(changed(3, inputs=(2,))) == (
        "layer_3 takes what layer_2 gives, in the twin what layer_1, layer_2 gives",
    )


def test_weights_and_biases_of_another_layer_are_named() -> None:
    other = TWIN.kernels[1]
    assert causes(changed(2, values=other.values)) == (
        "the weights of layer_2 are those of layer_1",
    )
    assert causes(changed(2, bias=other.bias)) == ("the biases of layer_2 are those of layer_1",)


def test_channels_in_another_order_are_named() -> None:
    order = np.random.default_rng(0).permutation(8)
    own = TWIN.kernels[2]
    (cause,) = causes(changed(2, values=own.values[order], bias=own.bias[order]))
    assert cause.endswith("of layer_2 are swapped")
    (cause,) = causes(changed(2, values=own.values[:, order]))
    assert cause.startswith("layer_2 takes channels")


def reordered(kernel: Kernel, outputs: Any = slice(None), inputs: Any = slice(None)) -> Kernel:
    """Return a kernel with outputs, and the channels of its inputs, in another order."""
    rows = {name: getattr(kernel, name)[outputs] for name in ("steps", "bias", "bias_steps")}
    values = kernel.values[outputs]
    if not kernel.is_depthwise and not isinstance(inputs, slice):
        places = values.shape[1] // len(inputs)
        values = values.reshape(len(values), places, len(inputs), -1)[:, :, inputs]
    return replace(kernel, values=values.reshape(kernel.values.shape), **rows)


def test_channels_in_another_order_are_no_fault_where_all_that_take_them_agree() -> None:
    twin = stored(
        kernel(0, (8, 3, 9)),
        kernel(1, (16, 8, 9), [0]),
        kernel(2, (16, 1, 9), [1], is_depthwise=True),
        kernel(3, (8, 16, 1), [2]),
        kernel(4, (5, 32, 1), [3]),
    )
    first, wide, deep, narrow, last = twin.kernels
    order, other = (np.random.default_rng(n).permutation(size) for n, size in ((0, 16), (1, 8)))
    wide, deep = reordered(wide, order), reordered(deep, order)
    moved = reordered(narrow, other, order)
    kernels = [first, wide, deep, moved, reordered(last, inputs=other)]
    assert causes(replace(twin, kernels=tuple(kernels)), twin) == ()
    kernels[4] = last
    (cause,) = causes(replace(twin, kernels=tuple(kernels)), twin)
    assert cause.endswith("of layer_3 are swapped")
    kernels[3] = reordered(narrow, other)
    found = " ".join(causes(replace(twin, kernels=tuple(kernels)), twin))
    assert "of layer_2 are swapped" in found


def test_a_missing_activation_is_named() -> None:
    bare = replace(TWIN.points[1], starts_at_zero=False)
    own = replace(TWIN, points=(TWIN.points[0], bare, *TWIN.points[2:]))
    assert causes(own) == ("the ReLU behind layer_1 is missing: it gives values below 0",)
    twin = changed(1, behind=("LOGISTIC", "MUL"))
    assert causes(changed(1, behind=("MUL",)), twin) == ("the sigmoid behind layer_1 is missing",)
    assert causes(changed(1, behind=("MUL", "ADD", "EXP")), twin) == ()
    twin = changed(1, behind=("HARD_SWISH",))
    own = changed(1, behind=("ADD", "MUL"))
    assert causes(own, twin) == ("the hard swish behind layer_1 is missing",)
    assert causes(changed(1, behind=("ADD", "MUL", "RELU6")), twin) == ()
    also = changed(1, behind=("HARD_SWISH", "RELU6"))
    assert causes(changed(1, behind=("ADD", "MUL", "RELU6")), also) == ()
    assert causes(changed(1, behind=("RELU6",)), also) == (
        "the hard swish behind layer_1 is missing",
    )
    cut = Point("add", "Add", False, Steps(6 / 255, -128, -128, 127), sources=(1,))
    assert causes(replace(own, points=(*own.points, cut)), twin) == ()


def test_a_dense_layer_may_be_a_convolution_over_the_whole_image() -> None:
    values = TWIN.kernels[4].values.reshape(5, 4, 8).transpose(0, 2, 1)
    assert causes(changed(4, values=values)) == ()


def test_a_flattened_image_may_have_its_channels_in_front() -> None:
    """Only where the axes are moved in one of the files: else it is a fault."""
    values = TWIN.kernels[4].values.reshape(5, 4, 8).transpose(0, 2, 1).reshape(5, 32, 1)
    (cause,) = causes(changed(4, values=values))
    assert cause.startswith("layer_4 takes channels")
    moved = changed(3, behind=("Transpose",))
    last = replace(moved.kernels[4], values=values)
    assert causes(replace(moved, kernels=(*moved.kernels[:4], last))) == ()


def test_layers_without_a_counterpart_are_left_out() -> None:
    own = stored(*TWIN.kernels[:4], kernel(9, (5, 7, 1), [3]))
    pairing = paired(own, TWIN, ())
    assert pairing.left == ("layer_9",)
    assert len(pairing.pairs) == 4
    assert causes(own) == ()


def test_a_damaged_layer_is_found_by_the_layers_around_it() -> None:
    random = np.random.default_rng(77)
    noise = random.normal(size=(8, 8, 9)).astype(np.float32)
    (cause,) = causes(changed(2, values=noise))
    assert cause == "100% of the weights of layer_2 are others"


def rounded(kernel: Kernel) -> Kernel:
    """Return a kernel with a scale for each output, as in a file of integers."""
    steps = np.abs(kernel.values).max(axis=(1, 2)) / 127
    wide = np.maximum(steps, 1e-30)[:, None, None]
    values = (np.rint(kernel.values / wide) * wide).astype(np.float32)
    return replace(kernel, type="int8", values=values, steps=steps.astype(np.float32))


@pytest.mark.parametrize("seed", range(5))
def test_the_factor_of_a_few_rounded_weights_is_named(seed: int) -> None:
    bytes_alone = np.eye(3, 4, dtype=np.float32)
    twin = stored(kernel(seed, (16, 3, 9)), kernel(90 + seed, (16, 1, 9), [0]))
    twin = replace(twin, pixels=bytes_alone)
    kernels = [rounded(each) for each in twin.kernels]
    for number in range(2):
        wrong = kernels[number].values.copy()
        wrong[3] *= 1.1
        steps = kernels[number].steps.copy()
        steps[3] *= 1.1
        changed = list(kernels)
        changed[number] = replace(kernels[number], values=wrong, steps=steps)
        (cause,) = causes(replace(twin, kernels=tuple(changed)), twin)
        name = f"layer_{seed + 90 * number}"
        assert cause == f"the scale of channel 3 of {name} is 1.10 times what it should be"


def test_single_flipped_bits_are_no_scales_and_no_other_order() -> None:
    """Channels without weights, and equal ones, have no order."""
    values = kernel(1, (64, 64, 9)).values.copy()
    values[5:9] = 0
    values[20] = values[21]
    twin = stored(kernel(0, (64, 3, 9)), replace(kernel(1, (64, 64, 9), [0]), values=values))
    own = rounded(twin.kernels[1])
    flipped = own.values.copy()
    chosen = np.random.default_rng(0).random(flipped.shape) < 0.01
    flipped[chosen] = -flipped[chosen]
    (cause,) = causes(stored(rounded(twin.kernels[0]), replace(own, values=flipped)), twin)
    assert cause.endswith("are others: bits or signs were flipped")
