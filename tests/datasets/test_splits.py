"""What is drawn is disjoint, whole, stratified, and the same every time."""

import hashlib
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecv.core.data import SPLITS, Dataset, Images, Split
from edgecv.core.errors import InputError
from edgecv.datasets.splits import partition

pytestmark = pytest.mark.quick


def different_images(count: int, first: int = 0) -> Images:
    """Number the images in their first pixels: uint8 (N, 2, 2, 1)."""
    numbers = np.arange(first, first + count, dtype="<u4")
    return numbers.view(np.uint8).reshape(count, 2, 2, 1).copy()


def cut(
    train_labels: list[int], test_labels: list[int], classes: int = 2, **options: Any
) -> Dataset:
    return partition(
        "things",
        [f"class{number}" for number in range(classes)],
        options.pop("train_images", different_images(len(train_labels))),
        np.array(train_labels, np.int64),
        options.pop("test_images", different_images(len(test_labels), 1 << 20)),
        np.array(test_labels, np.int64),
        **{"validation": 0.1, "seed": 0, **options},
    )


def contents(split: Split) -> list[tuple[bytes, int]]:
    return [
        (image.tobytes(), int(label))
        for image, label in zip(split.images, split.labels, strict=True)
    ]


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(3, 60), min_size=2, max_size=5),
    validation=st.floats(0.01, 0.49),
    seed=st.integers(-(2**40), 2**70),
    shuffled=st.randoms(use_true_random=False),
    copies=st.integers(0, 5),
)
def test_partition_is_disjoint_whole_stratified_and_repeatable(
    sizes: list[int], validation: float, seed: int, shuffled: Any, copies: int
) -> None:
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    images = different_images(len(labels))
    order = list(range(len(labels)))
    shuffled.shuffle(order)
    twice = order + order[:copies]
    options: dict[str, Any] = {
        "classes": len(sizes), "validation": validation, "seed": seed
    }  # fmt: skip
    test_labels = list(range(len(sizes)))
    data = cut([labels[row] for row in twice], test_labels, train_images=images[twice], **options)
    splits = [contents(data.split(name)) for name in SPLITS]

    together = [each for split in splits[:3] for each in split]
    assert sorted(together) == sorted(
        (image.tobytes(), label) for image, label in zip(images, labels, strict=True)
    )
    assert not set(together) & set(splits[3])
    for name in SPLITS:
        assert set(data.split(name).labels.tolist()) == set(range(len(sizes)))
    for name, total in (
        ("calibration", min(1000, len(labels) * 15 // 100)),
        ("validation", round(len(labels) * validation)),
    ):
        counts = np.bincount(data.split(name).labels, minlength=len(sizes))
        fair = np.array(sizes) * total / len(labels)
        left = np.bincount(data.train.labels, minlength=len(sizes))
        assert np.all((np.abs(counts - fair) < 1) | (counts == 1) | (left == 1))
        assert len(data.split(name)) <= total + len(sizes)

    again = cut(labels, test_labels, train_images=images, **options)
    for name in SPLITS:
        assert again.split(name).sha256 == data.split(name).sha256


def test_sizes_are_exact_where_classes_are_large() -> None:
    data = cut([number % 10 for number in range(8000)], list(range(10)), 10, validation=0.05)
    assert [len(data.split(name)) for name in SPLITS] == [6600, 1000, 400, 10]
    assert set(np.bincount(data.calibration.labels).tolist()) == {100}
    assert set(np.bincount(data.validation.labels).tolist()) == {40}


def test_another_seed_draws_other_images() -> None:
    labels = [number % 2 for number in range(100)]
    one, other = cut(labels, [0, 1], seed=1), cut(labels, [0, 1], seed=2)
    assert one.validation.sha256 != other.validation.sha256
    assert one.test.sha256 == other.test.sha256


def test_the_first_calibration_images_show_all_classes_evenly() -> None:
    data = cut([number % 4 for number in range(400)], [0, 1, 2, 3], 4)
    for count in (4, 8, 20):
        assert set(np.bincount(data.calibration.labels[:count], minlength=4)) == {count // 4}


def test_sha256_is_over_pixels_and_labels() -> None:
    data = cut([0, 1] * 10, [0, 1])
    bytes_of = data.train.images[:].tobytes() + data.train.labels.astype("<i8").tobytes()
    assert data.train.sha256 == hashlib.sha256(bytes_of).hexdigest()


def test_training_images_that_occur_in_test_are_left_out() -> None:
    images = different_images(20)
    data = cut([0, 1] * 10, [0, 1, 0], train_images=images, test_images=images[[2, 3, 4]])
    assert data.notes == ("3 training images that also occur in the test split were left out",)
    assert len(data.train) + len(data.calibration) + len(data.validation) == 17
    assert len(data.test) == 3


def test_copies_are_left_out_and_contradictions_are_said() -> None:
    images = different_images(20)
    images[19] = images[0]  # class 1 says that it is the image of class 0
    images[18] = images[0]
    data = cut([0, 1] * 10, [0, 1], train_images=images)
    assert data.notes == (
        "2 training images that were an exact copy of another were left out",
        "1 exact copy contradicted the class of the first",
    )
    assert contents(data.train).count((images[0].tobytes(), 1)) == 0


def test_copies_within_test_stay() -> None:
    test_images = different_images(3, 1 << 20)[[0, 1, 0]]
    data = cut([0, 1] * 10, [0, 1, 0], test_images=test_images)
    assert len(data.test) == 3
    assert data.notes == (
        "1 test image was an exact copy of another; the test split was left as it is",
    )


def test_a_test_split_alone_is_enough() -> None:
    data = cut([], [0, 1], train_images=different_images(0))
    assert [len(data.split(name)) for name in SPLITS] == [0, 0, 0, 2]
    assert data.train.images.shape == (0, 2, 2, 1)
    assert data.image_shape == (2, 2, 1)


@pytest.mark.parametrize(
    ("train", "test", "classes", "parts"),
    [
        ([0] * 9, [0], 1, ["there is 1 class", "at least 2"]),
        ([0] * 9 + [1] * 2, [0, 1], 2, ['"class1" has 2 training images', "at least 3"]),
        ([0] * 9, [0, 1], 2, ['"class1" has 0 training images']),
        ([0, 1] * 9, [0], 2, ['"class1" has no test image']),
    ],
)
def test_what_cannot_be_split_is_refused(
    train: list[int], test: list[int], classes: int, parts: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        cut(train, test, classes)
    for part in ["--data things: ", *parts]:
        assert part in str(caught.value)


def test_it_is_fast() -> None:
    images = np.random.default_rng(0).integers(0, 256, (20_000, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(20_000) % 10
    started = time.process_time()
    partition(
        "many",
        list("abcdefghij"),
        images[:18_000],
        labels[:18_000],
        images[18_000:],
        labels[18_000:],
        validation=0.05,
        seed=0,
    )
    assert time.process_time() - started < 3  # about 0.4 s for 55,000; machines differ
