"""Checks of the arrays of a data set, from a file or from a program."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Images, Labels
from edgecv.core.errors import InputError
from edgecv.core.text import counted, printable
from edgecv.datasets.cache import Decoded


def decoded_of(arrays: Mapping[str, NDArray[Any]], notes: tuple[str, ...], where: str) -> Decoded:
    """Check ``x_test``, ``y_test`` and what else there is of ``x_train``, ``y_train``,
    ``class_names``. Raises InputError that begins with ``where``.

    Images that are already uint8 are not copied.
    """
    test_images = _as_images(arrays["x_test"], "x_test", where)
    test_labels = _as_labels(arrays["y_test"], "y_test", len(test_images), where)
    if "x_train" in arrays:
        train_images = _as_images(arrays["x_train"], "x_train", where)
        train_labels = _as_labels(arrays["y_train"], "y_train", len(train_images), where)
    else:
        train_images, train_labels = test_images[:0], test_labels[:0]
    if train_images.shape[1:] != test_images.shape[1:]:
        raise InputError(
            where,
            f"x_train holds images of shape {train_images.shape[1:]}, "
            f"x_test of {test_images.shape[1:]}",
            accepted="one shape for both",
        )
    class_names = _class_names(arrays, train_labels, test_labels, where)
    return Decoded(class_names, train_images, train_labels, test_images, test_labels, notes)


def _as_images(values: NDArray[Any], name: str, where: str) -> Images:
    """Check an array of images; return it as uint8 (N, H, W, C)."""
    if values.ndim not in (3, 4) or not values.size:
        raise InputError(
            where,
            f"{name} has the shape {values.shape}",
            accepted="(N, height, width, channels), or (N, height, width) for grey",
        )
    if values.dtype.kind not in "iu":
        is_fraction = values.dtype.kind == "b" or _is_fraction(values)
        scale, scaled = ("multiply by 255 and ", "(x * 255)") if is_fraction else ("", "x")
        raise InputError(
            where,
            f"{name} holds {values.dtype}",
            accepted="uint8, 0..255",
            remedy=f"{scale}cast: {scaled}.round().astype(numpy.uint8)"
            if values.dtype.kind in "bf"
            else "",
        )
    if values.dtype != np.uint8 and (values.min() < 0 or values.max() > 255):
        raise InputError(
            where,
            f"{name} holds values in {values.min()}..{values.max()}",
            accepted="0..255",
            remedy="scale them and cast to uint8",
        )
    pixels = values.astype(np.uint8, copy=False)
    return pixels[..., None] if pixels.ndim == 3 else pixels


def _is_fraction(values: NDArray[Any]) -> bool:
    return values.dtype.kind == "f" and bool(np.nanmax(np.abs(values)) <= 1)


def _as_labels(values: NDArray[Any], name: str, images: int, where: str) -> Labels:
    """Check an array of labels; return it as int64 (N,)."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise InputError(
            where,
            f"{name} has the shape {values.shape}",
            accepted="(N,) or (N, 1)",
            remedy="of one-hot labels take argmax(axis=1)" if values.ndim == 2 else "",
        )
    if len(values) != images:
        raise InputError(
            where,
            f"{name} has {counted(len(values), 'label')} for {counted(images, 'image')}",
            accepted="one each",
        )
    if values.dtype.kind not in "iuf":
        raise InputError(where, f"{name} holds {values.dtype}", accepted="whole numbers from 0 on")
    wrong = (values < 0) | (values > np.iinfo(np.int32).max)
    if values.dtype.kind == "f":
        wrong |= ~np.isfinite(values) | (values != np.floor(values))
    _refuse_labels(values, wrong, name, where, "whole numbers from 0 on")
    return values.astype(np.int64)


def _refuse_labels(
    values: NDArray[Any], wrong: NDArray[np.bool_], name: str, where: str, accepted: str
) -> None:
    if wrong.any():
        index = int(np.argmax(wrong))
        raise InputError(where, f"{name}[{index}] is {values[index].item()}", accepted=accepted)


def _class_names(
    arrays: Mapping[str, NDArray[Any]], train: Labels, test: Labels, where: str
) -> tuple[str, ...]:
    names = arrays.get("class_names")
    if names is not None and (names.ndim != 1 or names.dtype.kind != "U"):
        raise InputError(
            where,
            f"class_names is {names.dtype} of shape {names.shape}",
            accepted="strings, (classes,)",
            remedy="numpy.array(names, dtype=str)",
        )
    if names is None:
        # without names, a label can only be judged by how many images there are
        count = min(int(max(test.max(), train.max(initial=0))) + 1, len(train) + len(test))
        class_names = tuple(str(label) for label in range(count))
    else:
        class_names = tuple(printable(name) for name in _as_strings(names, where))
        if len(set(class_names)) != len(class_names):
            raise InputError(where, "class_names names a class twice", accepted="different names")
    for labels, name in ((train, "y_train"), (test, "y_test")):
        wrong = labels >= len(class_names)
        _refuse_labels(labels, wrong, name, where, f"0..{len(class_names) - 1}")
    return class_names


def _as_strings(names: NDArray[Any], where: str) -> list[str]:
    # A file can hold numbers that are no characters; Python makes invalid strings of them.
    codes = np.frombuffer(names.tobytes(), np.dtype("u4").newbyteorder(names.dtype.byteorder))
    if codes.max(initial=0) > sys.maxunicode:
        raise InputError(where, "class_names holds what is no text", remedy="save it again")
    strings: list[str] = names.tolist()
    return strings
