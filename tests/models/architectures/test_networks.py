"""The networks are those of the benchmarks: parameters, multiply-accumulates, layer by layer."""

from typing import Any

import numpy as np
import pytest
from heads import head_for
from paths import SHARED
from weights import weights_sha256

from edgecv.core.data import Shape
from edgecv.core.errors import InputError
from edgecv.core.plugins import Architecture
from edgecv.core.registry import ARCHITECTURES
from edgecv.evaluation.tasks.classification.training import ClassHead
from edgecv.models.architectures.blocks import last_halvings
from edgecv.models.architectures.cifar_cnn import CifarCnn
from edgecv.models.architectures.ds_cnn import DsCnn
from edgecv.models.architectures.mobilenet_v1 import MobilenetV1
from edgecv.models.architectures.mobilenet_v2 import MobilenetV2
from edgecv.models.architectures.regressor import Regressor
from edgecv.models.architectures.resnet8 import Resnet8
from edgecv.models.architectures.unet_small import UnetSmall
from edgecv.models.channels.costs import cost_of_model
from edgecv.models.tf import load_tensorflow, set_seed

# Not imported from conftest: which of the conftest files that name means depends on the order.


def slow(*values: Any) -> Any:
    return pytest.param(*values, marks=pytest.mark.slow)


def separable(side: int, before: int, after: int) -> int:
    """Multiply-accumulates of a block by its output: 3x3 in each channel, 1x1 across them."""
    return side * side * (9 * before + before * after)


RESNET8 = (
    32 * 32 * (27 * 16 + 2 * 144 * 16)
    + 16 * 16 * (144 * 32 + 288 * 32 + 16 * 32)
    + 8 * 8 * (288 * 64 + 576 * 64 + 32 * 64)
    + 64 * 10
)
MOBILENET_32 = (
    32 * 32 * 27 * 8
    + sum(separable(32, *pair) for pair in ((8, 16), (16, 32), (32, 32)))
    + separable(16, 32, 64)
    + separable(16, 64, 64)
    + separable(8, 64, 128)
    + 5 * separable(8, 128, 128)
    + separable(4, 128, 256)
    + separable(4, 256, 256)
    + 256 * 10
)
DS_CNN = 16 * 16 * 75 * 64 + 4 * separable(16, 64, 64) + 64 * 10
RESNET_BLOCKS = 3 * 32 * 32 * 2 * 144 * 16
"""One more residual block in each stack: each of them costs the same."""
UNET = (
    64 * 64 * (27 * 8 + 72 * 8 + 144 * 8 + 8 * 4)
    + 32 * 32 * (72 * 16 + 144 * 16 + 16 * 8 + 288 * 16)
    + 16 * 16 * (144 * 32 + 288 * 32 + 32 * 16 + 576 * 32)
    + 8 * 8 * (288 * 64 + 64 * 32)
)
FIGURES: list[tuple[Architecture, Shape, int, int, int]] = [
    # Published: 78,666 parameters and 12.5 million (MLPerf Tiny).
    (Resnet8(), (32, 32, 3), 10, 78_666, RESNET8),
    # Counted on the benchmark's own file.
    (MobilenetV1(), (96, 96, 3), 2, 221_794, 7_489_664),
    # The same kernels, and a dense layer for ten classes.
    (MobilenetV1(), (32, 32, 3), 10, 221_794 + 8 * 257, MOBILENET_32),
    # Kernel, bias and four numbers of normalization a channel.
    (DsCnn(), (32, 32, 3), 10, 64 * 80 + 4 * 64 * (9 + 5 + 64 + 5) + 650, DS_CNN),
    # Published: 0.27 million parameters and 41 million multiply-accumulates. Beside them there are
    # two shortcuts, biases, and two numbers of normalization a channel that are not trained.
    (Resnet8(depth=3), (32, 32, 3), 10, 274_442, RESNET8 + 2 * RESNET_BLOCKS),
    # Published: 300 million; 3.4 million parameters without biases and averages.
    (MobilenetV2(width=1), (224, 224, 3), 1000, 3_556_040, 300_774_272),
    (UnetSmall(), (64, 64, 3), 4, 64_860, UNET),
]


@pytest.mark.parametrize(
    ("architecture", "shape", "classes", "parameters", "macs"),
    FIGURES,
    ids=lambda value: value.name if isinstance(value, Architecture) else None,
)
def test_a_network_costs_what_is_published(
    architecture: Architecture, shape: Shape, classes: int, parameters: int, macs: int
) -> None:
    model = architecture.build(shape, ClassHead(classes))
    cost = cost_of_model(model)
    assert (model.count_params(), cost.parameters, cost.macs) == (parameters, parameters, macs)


def test_mobilenet_is_the_benchmarks_layer_by_layer() -> None:
    path = SHARED / "models" / "vww_96.h5"
    if not path.exists():
        pytest.skip(f"needs {path}, which is not part of the project")
    _, keras = load_tensorflow()
    theirs = keras.models.load_model(path, compile=False)
    ours = MobilenetV1().build((96, 96, 3), ClassHead(2))

    def facts(model: Any) -> list[Any]:
        return [
            (
                type(layer).__name__,
                [tuple(weight.shape) for weight in layer.weights],
                tuple(layer.output.shape),
                getattr(layer, "strides", None),
                getattr(layer, "padding", None),
            )
            for layer in model.layers
            if layer.weights
        ]

    assert len(facts(theirs)) == 55
    assert facts(ours) == facts(theirs)
    # With their weights it says what theirs says of the same pixels, rescaled.
    ours.set_weights(theirs.get_weights())
    pixels = np.random.default_rng(0).integers(0, 256, (4, 96, 96, 3)).astype(np.float32)
    expected = theirs(pixels / 128 - 1, training=False).numpy()
    np.testing.assert_allclose(ours(pixels, training=False).numpy(), expected, atol=1e-5)


LARGE = ("efficientnet_lite0", "mobilenet_v2", "mobilenet_v3", "resnet20", "resnet56")
"""Networks that take seconds to build: ``test_plugins`` builds each once by default."""
EVERY = [slow(name) if name in LARGE else name for name in ARCHITECTURES.classes]


@pytest.mark.parametrize("name", EVERY)
def test_two_builds_are_the_same_network(name: str) -> None:
    built = []
    for _ in range(2):
        set_seed(5)
        cls = ARCHITECTURES.get(name, "test")
        built.append(cls().build((32, 32, 3), head_for(cls, 4)))
    one, other = built
    assert one.get_config() == other.get_config()
    assert weights_sha256(one) == weights_sha256(other)
    first, *_, logits, probabilities = (each for each in one.layers if "image" not in each.name)
    assert [first.name, logits.name, probabilities.name] == ["rescale", "logits", "probabilities"]
    assert logits.activation.__name__ == "linear"


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("shape", [slow((32, 32, 1)), slow((40, 24, 3)), (33, 47, 1)], ids=str)
def test_grey_and_oblong_images_work(name: str, shape: Shape) -> None:
    cls, cell = ARCHITECTURES.get(name, "test"), {"unet_small": 1, "detector_small": 8}.get(name)
    map_of: tuple[int, ...] = ()
    if cell is not None:
        shape = (shape[0] // 8 * 8, shape[1] // 8 * 8, shape[2])
        map_of = (shape[0] // cell, shape[1] // cell)
    model = cls().build(shape, head_for(cls, 3))
    assert model(np.zeros((2, *shape), np.float32)).shape == (2, *map_of, 3)


@pytest.mark.parametrize(
    ("architecture", "smallest"), [(Resnet8(), 8), (MobilenetV1(), 12), (DsCnn(), 8)]
)
def test_the_smallest_image_that_is_accepted_works(
    architecture: Architecture, smallest: int
) -> None:
    model = architecture.build((smallest, 64, 3), ClassHead(3))
    assert model(np.zeros((1, smallest, 64, 3), np.float32)).shape == (1, 3)
    with pytest.raises(InputError, match=f"{smallest}x{smallest} and more"):
        architecture.build((64, smallest - 1, 3), ClassHead(3))


@pytest.mark.parametrize(
    ("side", "halved"),
    [
        (12, 2),
        slow(23, 2),
        slow(24, 3),
        (32, 3),
        slow(48, 4),
        slow(64, 4),
        (96, 5),
        slow(224, 5),
    ],
)
def test_mobilenet_halves_while_three_places_are_left(side: int, halved: int) -> None:
    assert len(last_halvings((0, 2, 4, 6, 12), side)) == halved
    last = (
        MobilenetV1(width=0.01).build((side, side, 1), ClassHead(2)).get_layer("pool").input_shape
    )
    assert last[1] == -(-side // 2**halved) >= 3


def test_options_change_the_widths() -> None:
    half, quarter = (
        MobilenetV1(width=width).build((32, 32, 3), ClassHead(2)) for width in (0.5, 0.25)
    )
    for name in ("conv_1", "block_7_pointwise", "block_13_pointwise"):
        assert half.get_layer(name).filters == 2 * quarter.get_layer(name).filters
    small = DsCnn(filters=16, blocks=2, first_kernel=4).build((32, 32, 3), ClassHead(2))
    assert small.get_layer("block_2_pointwise").filters == 16
    assert "block_3_pointwise" not in [layer.name for layer in small.layers]
    assert small.get_layer("conv_1").kernel.shape == (4, 4, 3, 16)
    deep = MobilenetV1(depth=7).build((32, 32, 3), ClassHead(2))
    assert len(deep.layers) - len(half.layers) == 2 * 6
    assert [deep.get_layer(f"block_{each}_depthwise").strides[0] for each in (13, 14)] == [1, 2]
    for wrong in ({"width": 0.0}, {"width": -1.0}):
        with pytest.raises(InputError, match="greater than 0"):
            ARCHITECTURES.parse({"architecture": "mobilenet_v1", **wrong}, "test")


@pytest.mark.parametrize(
    "architecture", [CifarCnn(), Regressor(), UnetSmall(), slow(MobilenetV2())]
)
def test_a_network_may_be_deeper_and_wider(architecture: Architecture) -> None:
    def macs(**options: float) -> int:
        built = type(architecture)(**options).build((64, 64, 3), head_for(architecture, 2))
        return cost_of_model(built).macs

    depth, width = (getattr(architecture, each) for each in ("depth", "width"))
    assert macs() < macs(depth=depth + 1)
    assert 3 * macs() < macs(width=2 * width) < 4 * macs()


def test_a_map_needs_sides_that_can_be_halved() -> None:
    with pytest.raises(InputError, match=r"60x64 cannot be halved 3 times.*multiples of 8"):
        UnetSmall().build((60, 64, 3), head_for(UnetSmall, 2))
    assert UnetSmall(depth=2).build((60, 64, 1), head_for(UnetSmall, 2)).output_shape[1:3] == (
        60,
        64,
    )


def test_a_map_of_half_the_sides_costs_a_quarter() -> None:
    whole, half = (
        UnetSmall(stride=stride).build((64, 64, 3), head_for(UnetSmall, 2)) for stride in (1, 2)
    )
    assert half.output_shape == (None, 32, 32, 2)
    assert half.count_params() == whole.count_params()
    assert 3.9 * cost_of_model(half).macs < cost_of_model(whole).macs
    with pytest.raises(InputError, match="multiples of 32"):
        UnetSmall(stride=4).build((48, 48, 3), head_for(UnetSmall, 2))


def test_weight_decay_is_the_benchmarks() -> None:
    for architecture, kernels in ((Resnet8(), 9), (MobilenetV1(), 27), (DsCnn(), 9)):
        model = architecture.build((32, 32, 3), ClassHead(2))
        assert len(model.losses) == kernels
        kernel = model.get_layer("conv_1").kernel.numpy()
        assert float(model.losses[0]) == pytest.approx(1e-4 * np.sum(kernel**2), rel=1e-4)


@pytest.mark.parametrize("name", ARCHITECTURES.classes)
def test_an_architecture_takes_pixels_and_gives_probabilities(name: str) -> None:
    cls = ARCHITECTURES.get(name, "test")
    model = cls().build((32, 32, 3), head_for(cls, 7))
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.float32)
    probabilities = model(images).numpy()
    is_map = cls.features == "map"
    assert (probabilities.shape[::3] if is_map else probabilities.shape) == (4, 7)
    assert all(32 % side == 0 for side in probabilities.shape[1:-1]), "a map may be coarser"
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, atol=1e-5)
