"""A data set of arrays in the memory of a Python program."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import PrivateAttr

from edgecv.core.data import Dataset, Shape
from edgecv.core.errors import InputError, unknown_name
from edgecv.core.images import image_rows
from edgecv.core.plugins import DatasetSource, Progress
from edgecv.core.preprocessing import Preprocessing
from edgecv.core.text import counted, listed, were
from edgecv.datasets.array_checks import decoded_of
from edgecv.datasets.cache import cached
from edgecv.datasets.decoded import Decoded
from edgecv.datasets.image_tree.fit_arrays import fit_all
from edgecv.datasets.npz_arrays import ARRAY_NAMES, MAX_BYTES, is_array, lacking
from edgecv.datasets.splits import calibrating_of, class_sizes

WHERE = "--data"
ACCEPTED = (
    "(x_train, y_train, x_test, y_test) or (x_test, y_test), or a dict of these names, or of x and "
    "y, with class_names where they are known, and other targets such as y_test_boxes"
)


class Arrays(DatasetSource):
    """Arrays given in Python: x_train, y_train, x_test, y_test. A recipe holds their hash only."""

    name: ClassVar[str] = "arrays"
    sha256: str
    """SHA-256 of the types, shapes and values of the arrays, and of the class names."""
    _decoded: Decoded | None = PrivateAttr(default=None)

    @classmethod
    def at(cls, path: Path, *, skip_bad_images: bool = False) -> Self:
        """Raise InputError: arrays have no path."""
        raise InputError(f"{WHERE} {path}", "arrays are given in Python", accepted="a .npz file")

    @classmethod
    def of(cls, given: Mapping[str, Any] | Sequence[Any]) -> Self:
        """Return the source of arrays after checking them.

        ``given``: a tuple (x_train, y_train, x_test, y_test) or (x_test, y_test), or a mapping of
        these names, to which ``class_names`` may be added. Images: uint8 (N, H, W, C), 0..255;
        labels: integers (N,), or targets as in ``core.targets``. Raises InputError with the remedy.
        """
        arrays = named_arrays(given)
        decoded = decoded_of(arrays, (), WHERE)
        found = cls(sha256=_sha256(decoded))
        found._decoded = decoded
        return found

    def most_calibration_images(self) -> int:
        """Return the number of calibration images if no image is a copy of another."""
        decoded = self._given()
        if not len(decoded.test_labels):
            decoded = decoded.with_test_images(0)
        if not len(decoded.train_labels):
            return 0
        sizes = class_sizes(decoded.train_labels, len(decoded.class_names))
        return max(1, int(calibrating_of(sizes).clip(0).sum()))

    def meaning(self) -> Preprocessing | None:
        """Return the numbers that bytes stand for: see DatasetSource."""
        return self._given().meaning

    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        """Resize the images to ``shape`` and split them: see DatasetSource."""
        decoded = self._given()
        if decoded.test_images.shape[1:] != shape:
            decoded = cached(
                lambda work: fit_all(decoded, shape, WHERE, progress, work),
                self.name,
                self.sha256,
                *shape,
            )
        if not len(decoded.test_images):
            decoded = decoded.with_test_images(seed)
        return decoded.split(self.name, WHERE, self.validation, seed)

    def _given(self) -> Decoded:
        if self._decoded is None:
            raise InputError(
                WHERE,
                "the images were arrays in a Python program; only their SHA-256 was kept",
                remedy=f"give the images as {WHERE}, such as a .npz of the same arrays",
            )
        return self._decoded


def named_arrays(given: Mapping[str, Any] | Sequence[Any]) -> dict[str, NDArray[Any]]:
    """Return the arrays by their names in a .npz, uncopied. Raises InputError for one missing."""
    if isinstance(given, Mapping):
        named = {str(name): value for name, value in given.items() if value is not None}
        strange = [name for name in named if not is_array(name)]
        if strange:
            found = f'there is an array called "{strange[0]}"'
            raise unknown_name(WHERE, found, strange[0], ARRAY_NAMES)
    elif len(given) in (2, 4):
        named = dict(zip(ARRAY_NAMES[-len(given) - 1 : -1], given, strict=True))
    else:
        raise InputError(
            WHERE, f"{counted(len(given), 'array')} {were(len(given))} given", accepted=ACCEPTED
        )
    if missing := lacking(named):
        found = listed(sorted(named)) or "nothing"
        raise InputError(WHERE, f"{missing}; there is {found}", accepted=ACCEPTED)
    arrays = {name: _as_array(value, name) for name, value in named.items()}
    if sum(array.nbytes for array in arrays.values()) > MAX_BYTES:
        raise InputError(WHERE, "the arrays are too large", accepted=f"{MAX_BYTES >> 30} GiB")
    return arrays


def _as_array(value: Any, name: str) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except Exception as error:  # noqa: BLE001 - a tensor of another library raises its own
        raise InputError(WHERE, f"{name} is no array: {error}", accepted="a NumPy array") from None
    if array.dtype.hasobject:
        raise InputError(
            WHERE,
            f"{name} holds Python objects ({type(value).__name__})",
            accepted="numbers in an array" if name != "class_names" else "strings",
            remedy=f"numpy.array({name}, dtype={'str' if name == 'class_names' else 'int'})",
        )
    return array


def _sha256(decoded: Decoded) -> str:
    digest = hashlib.sha256()
    for array in (
        image_rows(decoded.train_images),
        decoded.train_labels,
        image_rows(decoded.test_images),
        decoded.test_labels,
    ):
        digest.update(f"{array.dtype}{array.shape}".encode())
        for row in range(0, len(array), 4096):  # In parts: a view may have to be copied for it.
            digest.update(np.ascontiguousarray(array[row : row + 4096]).data)
    digest.update("\n".join(decoded.class_names).encode())
    for field, names in decoded.target_names.items():
        digest.update(f"\n{field}\n{names}".encode())
    if decoded.meaning is not None:
        digest.update(decoded.meaning.model_dump_json().encode())
    return digest.hexdigest()
