"""Checks of the arrays of a data set, from a file or from a program."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Images, Targets
from edgecv.core.errors import InputError
from edgecv.core.targets import IGNORED, KINDS, together
from edgecv.core.text import listed, printable
from edgecv.datasets.array_targets import (
    CLASS_INDICES,
    as_targets,
    kind_by_shape,
    place_of,
    refuse,
)
from edgecv.datasets.decoded import Decoded
from edgecv.datasets.npz_arrays import LAYOUT, NAMES
from edgecv.datasets.numbers import are_numbers, as_levels

MOST_CLASSES = 10_000
Arrays = Mapping[str, NDArray[Any]]


def decoded_of(arrays: Arrays, notes: tuple[str, ...], where: str) -> Decoded:
    """Check ``x_test`` and its targets, what else there is of ``x_train`` and its targets, and
    ``class_names``. Raises InputError that begins with ``where``.

    Of ``x``, without splits, all images become training images. Images that are already uint8 are
    not copied.
    """
    _refuse_splits_beside_whole(arrays, where)
    splits = (
        [""] if "x" in arrays else [each for each in ("train", "test") if f"x_{each}" in arrays]
    )
    names = [f"x_{split}".rstrip("_") for split in splits]
    _check_shapes([arrays[name] for name in names], names, where)
    meaning = None
    if are_numbers(arrays[names[0]]):
        images, meaning, note = as_levels([arrays[name] for name in names], names, where)
        notes = (*notes, note)
    else:
        images = [_as_images(arrays[name], name, where) for name in names]
    fields = _fields(arrays, splits, images, where)
    if "mask" in fields and _is_binary(fields["mask"]):
        fields["mask"] = {
            name: (each > 0).astype(np.uint8) for name, each in fields["mask"].items()
        }
        notes = (*notes, "masks of 0 and 255: 255 was taken for class 1")
    class_names = _class_names(arrays, fields, sum(map(len, images)), where)
    target_names = _target_names(arrays, fields, where)
    labels = [
        _joined({field: list(found.values())[place] for field, found in fields.items()})
        for place in range(len(splits))
    ]
    train, test = (images[0], labels[0]), (images[-1], labels[-1])
    if splits == ["test"]:
        train = test[0][:0], test[1][:0]
    elif splits == [""]:
        test = train[0][:0], train[1][:0]
    return Decoded(class_names, *train, *test, notes, target_names=target_names, meaning=meaning)


def _refuse_splits_beside_whole(arrays: Arrays, where: str) -> None:
    """Raise InputError where arrays without a split stand beside those of one."""
    splits = {name: name[2:] for name in arrays if name in ("x", "x_train", "x_test")}
    splits |= {name: place[0] for name in arrays if (place := place_of(name)) is not None}
    whole = [name for name, split in splits.items() if not split]
    parts = [name for name, split in splits.items() if split]
    if whole and parts:
        raise InputError(
            where,
            f"there is {whole[0]}, of images without splits, beside {parts[0]}",
            accepted=LAYOUT,
            remedy="call x and y x_train and y_train" if "x" in whole else f"leave {whole[0]} out",
        )


def _check_shapes(images: list[NDArray[Any]], names: list[str], where: str) -> None:
    """Raise InputError for arrays of no images, or of images of other shapes."""
    for values, name in zip(images, names, strict=True):
        if values.ndim not in (3, 4) or not values.size:
            raise InputError(
                where,
                f"{name} has the shape {values.shape}",
                accepted="(N, height, width, channels), or (N, height, width) for grey",
            )
    first, last = (each.shape[1:] + (1,) * (each.ndim == 3) for each in (images[0], images[-1]))
    if first != last:
        raise InputError(
            where,
            f"x_train holds images of shape {first}, x_test of {last}",
            accepted="one shape for both",
        )


def _joined(fields: Mapping[str, Targets]) -> Targets:
    """Return targets of several kinds as one array; the classes of images alone as they are."""
    return fields["class"] if fields.keys() == {"class"} else together(fields)


def _fields(
    arrays: Arrays, splits: list[str], images: list[Images], where: str
) -> dict[str, dict[str, Targets]]:
    """Check all targets: field -> name of the array of each split -> targets."""
    named: dict[tuple[str, str], str] = {}
    for name in arrays:
        if (place := place_of(name)) is None:
            continue
        if place in named:
            raise InputError(where, f"there are {named[place]} and {name}", accepted="one of them")
        named[place] = name
    size = images[0].shape[2], images[0].shape[1]
    fields: dict[str, dict[str, Targets]] = {}
    for kind in sorted({kind for _, kind in named}):
        there = [(split, kind) in named for split in splits]
        if not all(there):
            split = splits[there.index(False)] or "x"
            raise InputError(
                where,
                f"there is {next(named[each] for each in named if each[1] == kind)}, and no such "
                f"targets of {split}",
                accepted="the same targets for all images",
            )
        names = [named[split, kind] for split in splits]
        means = kind if kind in KINDS else kind_by_shape([arrays[name] for name in names], size)
        if not kind and means is None:
            raise InputError(
                where,
                f"{names[0]} holds {arrays[names[0]].dtype} of shape {arrays[names[0]].shape}",
                accepted="; ".join(KINDS.values()),
                remedy="targets of another kind have a name of their own: y_test_depth",
            )
        field = kind or str(means)
        if field in fields:
            raise InputError(where, f"there are two arrays of {field}: {names[0]}", accepted="one")
        fields[field] = {
            name: as_targets(field, arrays[name], len(each), size, name, where)
            for name, each in zip(names, images, strict=True)
        }
    return fields


def _is_binary(masks: Mapping[str, Targets]) -> bool:
    return all(((each == 0) | (each == IGNORED)).all() for each in masks.values()) and any(
        each.any() for each in masks.values()
    )


def _as_images(values: NDArray[Any], name: str, where: str) -> Images:
    """Check the values of an array of images; return it as uint8 (N, H, W, C)."""
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


def _class_names(
    arrays: Arrays, fields: Mapping[str, Mapping[str, Targets]], images: int, where: str
) -> tuple[str, ...]:
    """Return the names of the classes, and check all targets with classes against them."""
    indices = {
        name: CLASS_INDICES[field](values)
        for field, found in fields.items()
        if field in CLASS_INDICES
        for name, values in found.items()
    }
    if not indices:
        return ()
    if NAMES not in arrays:
        # without names, a label can only be judged by how many images there are
        most = images if "class" in fields else MOST_CLASSES
        largest = max(int(each.max(initial=0)) for each in indices.values())
        class_names = tuple(str(label) for label in range(min(largest + 1, most)))
    else:
        class_names = _as_names(arrays[NAMES], NAMES, where)
    for name, values in indices.items():
        refuse(values, values >= len(class_names), name, where, f"0..{len(class_names) - 1}")
    return class_names


def _target_names(
    arrays: Arrays, fields: Mapping[str, Mapping[str, Targets]], where: str
) -> dict[str, tuple[str, ...]]:
    """Return the names of the classes of each field that has names of its own, checked."""
    found = {}
    for key in arrays:
        field = key.removeprefix(f"{NAMES}_")
        if field == key:
            continue
        if field in KINDS or field not in fields:
            others = [name for name in fields if name not in KINDS]
            accepted = f"{NAMES}, or names of the classes of {listed(others)}" if others else NAMES
            raise InputError(
                where, f"{key} names the classes of no targets with that name", accepted=accepted
            )
        found[field] = names = _as_names(arrays[key], key, where)
        for name, values in fields[field].items():
            wrong = (values < 0) | (values >= len(names)) | (values != np.floor(values))
            refuse(values, wrong, name, where, f"0..{len(names) - 1}")
    return found


def _as_names(names: NDArray[Any], key: str, where: str) -> tuple[str, ...]:
    if names.ndim != 1 or names.dtype.kind != "U":
        raise InputError(
            where,
            f"{key} is {names.dtype} of shape {names.shape}",
            accepted="strings, (classes,)",
            remedy="numpy.array(names, dtype=str)",
        )
    # A file can hold numbers that are no characters; Python makes invalid strings of them.
    codes = np.frombuffer(names.tobytes(), np.dtype("u4").newbyteorder(names.dtype.byteorder))
    if codes.max(initial=0) > sys.maxunicode:
        raise InputError(where, f"{key} holds what is no text", remedy="save it again")
    found = tuple(map(printable, names.tolist()))
    if len(set(found)) != len(found):
        raise InputError(where, f"{key} names a class twice", accepted="different names")
    return found
