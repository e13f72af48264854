"""The weights of a Keras 3 archive: plain float32 arrays, as they lie in its HDF5 file.

HDF5 can point anywhere: at other files, at other places of this one, at data that is computed, at
sizes that nothing is stored for. All of that is refused before a value is read.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.closing import Closing
from edgecv.core.errors import InputError
from edgecv.core.text import short_name
from edgecv.formats.keras.allowlist import join

Array = NDArray[np.float32]
VALUES = "vars"
BYTES_OF_FLOAT32 = 4
DEEPEST = 64
MOST_OBJECTS = 200_000


class UnusableWeights(Exception):
    """A weights file is not as Keras writes it. The message says what was found, and where."""

    def of_file(self, path: Path) -> InputError:
        """Return the error of the model file that the weights are in."""
        found = f"has weights that cannot be read: {self}"
        return InputError(str(path), found, remedy="save the model again, with model.save")


class KerasWeights(Closing):
    """The open weights file: each layer's arrays by its group. It records which were read."""

    def __init__(self, path: Path) -> None:
        import h5py

        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            raise UnusableWeights(f"is no HDF5 file: {error}") from None
        self._asked: set[str] = set()
        try:
            self.datasets = _checked(self._file, path.stat().st_size)
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            self._file.close()
            raise UnusableWeights(f"is a damaged HDF5 file: {error}") from None
        except UnusableWeights:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def place(self, group: str, name: str) -> str:
        """Return the group of a layer: named by its class, or by the layer itself."""
        folder, _, last = group.rpartition("/")
        by_name = join(folder, name)
        if group in self._file or last == name or by_name not in self._file:
            return group
        return by_name

    def shapes(self, group: str) -> list[tuple[int, ...]]:
        """Return the shapes of a layer's arrays, in order."""
        return [self.datasets[name].shape for name in self._numbered(group)]

    def arrays(self, group: str) -> list[Array]:
        """Return a layer's arrays, in order: float32, as stored."""
        return [self.array(name) for name in self._numbered(group)]

    def array(self, name: str) -> Array:
        """Return one array: float32, as stored."""
        self._asked.add(name)
        dataset = self.datasets[name]
        if dataset.dtype.kind == "f" and dataset.dtype.itemsize > BYTES_OF_FLOAT32:
            raise UnusableWeights(f"{name} is {dataset.dtype}, not float32")
        if _is_bfloat16(dataset):
            upper = dataset[()].view(np.uint16).astype(np.uint32)
            return np.asarray((upper << 16).view(np.float32).reshape(dataset.shape))
        return np.asarray(dataset[()], np.float32)

    def name_of(self, group: str) -> str:
        """Return the name of the layer of a group, which Keras 3 writes beside its arrays."""
        found = self._file[f"{group}/{VALUES}"].attrs.get("name")
        return found if isinstance(found, str) else group.rpartition("/")[2]

    def in_order(self, layer: str) -> list[str]:
        """Return the names of a layer's arrays in a file of Keras 2, in their order."""
        names = self._file[layer].attrs.get("weight_names", ())
        texts = (each.decode() if isinstance(each, bytes) else str(each) for each in names)
        found = [f"{layer}/{text}" for text in texts]
        if any(name not in self.datasets for name in found):
            raise UnusableWeights(f"{short_name(layer)} names arrays that are not there")
        return found

    def left_over(self) -> list[str]:
        """Return the names of arrays of layers that were not read.

        Seeds of random layers, optimizers and metrics lie beside ``layers``, not right in them.
        """
        layers = re.compile(r"(layers/[^/]+/)+[^/]+/[^/]+")
        unread = (name for name in self.datasets if name not in self._asked)
        return [short_name(name) for name in unread if layers.fullmatch(name)]

    def _numbered(self, group: str) -> list[str]:
        prefix = f"{group}/{VALUES}/"
        numbers = sorted(
            (name.removeprefix(prefix) for name in self.datasets if name.startswith(prefix)),
            key=lambda number: (len(number), number),
        )
        if numbers != [str(number) for number in range(len(numbers))]:
            raise UnusableWeights(f"{group} holds {', '.join(map(short_name, numbers))}")
        return [f"{prefix}{number}" for number in numbers]


def checked_bytes(path: Path, weights: Path) -> int:
    """Return the bytes of all arrays of a weights file, which is checked.

    Raises InputError that names ``path``.
    """
    try:
        with KerasWeights(weights) as found:
            return sum(int(each.nbytes) for each in found.datasets.values())
    except UnusableWeights as error:
        raise error.of_file(path) from None


def _checked(file: Any, file_bytes: int) -> dict[str, Any]:
    """Return all datasets by name, each plain and stored in full."""
    datasets = {}
    stored = 0
    for name, found in _objects(file):
        _check_dataset(name, found)
        stored += found.nbytes
        if stored > file_bytes:
            raise UnusableWeights(f"{short_name(name)} is larger than the file")
        datasets[name] = found
    return datasets


def _objects(file: Any) -> Iterator[tuple[str, Any]]:
    """Walk the groups; give the datasets. Only plain links are followed, and each object once."""
    import h5py

    seen: set[int] = set()
    waiting = [("", file, 0)]
    while waiting:
        place, group, depth = waiting.pop()
        for key in group:
            name = join(place, key)
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise UnusableWeights(f"{short_name(name)} points somewhere else")
            found = group[key]
            address = h5py.h5o.get_info(found.id).addr
            if address in seen or depth > DEEPEST or len(seen) > MOST_OBJECTS:
                raise UnusableWeights(f"{short_name(name)} is in more than one place")
            seen.add(address)
            if isinstance(found, h5py.Group):
                waiting.append((name, found, depth + 1))
            elif isinstance(found, h5py.Dataset):
                yield name, found
            else:
                raise UnusableWeights(f"{short_name(name)} is neither a group nor an array")


def _is_bfloat16(dataset: Any) -> bool:
    """Return True for the upper halves of float32, which HDF5 has no type for."""
    return bool(dataset.dtype == "V2" and dataset.attrs.get("dtype") == "bfloat16")


def _check_dataset(name: str, dataset: Any) -> None:
    if dataset.is_virtual or dataset.external:
        raise UnusableWeights(f"{short_name(name)} lies in another file")
    is_number = dataset.dtype.kind in "fiub" or _is_bfloat16(dataset)
    if dataset.shape is None or not is_number or dataset.dtype.subdtype:
        raise UnusableWeights(f"{short_name(name)} holds {dataset.dtype}, not numbers")
    if dataset.id.get_storage_size() != dataset.nbytes:
        raise UnusableWeights(f"{short_name(name)} is not stored as plain numbers")
