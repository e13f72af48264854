"""A ``.keras`` archive, of which nothing is read before its size is checked.

No member is extracted to a path that the archive names. Keras gets only a copy with the checked
parts: the weights, and the configuration without options that compile or build.
"""

import json
import lzma
import shutil
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecv.core.errors import EdgecvError, InputError
from edgecv.core.tables import json_value
from edgecv.core.text import counted
from edgecv.system.system_limits import as_limit

LARGEST_CONFIGURATION_BYTES = 50_000_000
MOST_VALUES = 5_000_000
DEEPEST = 256
"""Tables within tables: models in models, each some levels deep."""
LARGEST_WEIGHTS_BYTES = 2**31
LARGEST_RATIO = 100
"""Weights do not compress: a member this much larger than it is stored is a bomb."""
COMPRESSES_WELL_BYTES = 2**20
METADATA, CONFIGURATION, WEIGHTS = "metadata.json", "config.json", "model.weights.h5"
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    KeyError,
    ValueError,
    RuntimeError,
)
"""Errors of zipfile and json on a file that is no archive, is locked, or nests too deeply."""
POLICIES = ("mixed_float16", "mixed_bfloat16", "float16", "bfloat16")


@dataclass(frozen=True)
class KerasArchive:
    """The parts of an archive. ``policies``: those that were replaced by float32."""

    configuration: dict[str, Any]
    weights: Path
    policies: tuple[str, ...]

    def write(self, path: Path) -> None:
        """Write the checked archive for Keras."""
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(METADATA, json.dumps({"keras_version": "3"}))
            archive.writestr(CONFIGURATION, json.dumps(self.configuration))
            archive.write(self.weights, WEIGHTS)


def damage_of(path: Path, error: Exception) -> EdgecvError:
    """Return the error for a file that cannot be read: its own damage, or a limit of the system."""
    return as_limit(error) or InputError(str(path), f"is a damaged Keras file: {error}")


def keras_version(path: Path) -> str | None:
    """Return the version of Keras that wrote an archive; None if it is not an archive."""
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        metadata = _table(archive, METADATA)
    return str(metadata.get("keras_version", ""))


def read_archive(path: Path, folder: Path) -> KerasArchive:
    """Read a Keras 3 archive; its weights become a file in ``folder``."""
    try:
        with zipfile.ZipFile(path) as archive:
            policies: set[str] = set()
            plain = with_tables(_table(archive, CONFIGURATION), _plain)
            configuration = in_float32(plain, policies)
            weights = folder / "weights.h5"
            _copy_weights(path, archive, weights)
    except DAMAGE as error:
        raise damage_of(path, error) from None
    return KerasArchive(configuration, weights, tuple(sorted(policies)))


def read_keras2_archive(path: Path, folder: Path) -> KerasArchive:
    """Read an archive of tf-keras; its weights become a file in ``folder``."""
    policies: set[str] = set()
    configuration = in_float32(read_configuration(path), policies)
    weights = folder / "weights.h5"
    try:
        with zipfile.ZipFile(path) as archive:
            _copy_weights(path, archive, weights)
    except DAMAGE as error:
        raise damage_of(path, error) from None
    # The options of compile are not used here, and are not checked.
    configuration.pop("compile_config", None)
    return KerasArchive(configuration, weights, tuple(sorted(policies)))


def read_configuration(path: Path) -> dict[str, Any]:
    """Return the configuration of an archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _table(archive, CONFIGURATION)
    except DAMAGE as error:
        raise damage_of(path, error) from None


def _only(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Return a member that is there once: of two, other readers might take the other."""
    found = [member for member in archive.infolist() if member.filename == name]
    if len(found) != 1:
        raise ValueError(f"it has {counted(len(found), 'member')} {name}")
    return found[0]


def _table(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    member = _only(archive, name)
    if member.file_size > LARGEST_CONFIGURATION_BYTES:
        raise ValueError(f"{name} is larger than {LARGEST_CONFIGURATION_BYTES // 10**6} MB")
    with archive.open(member) as file:
        data = file.read(LARGEST_CONFIGURATION_BYTES)
    table = json_value(data, most_values=MOST_VALUES, deepest=DEEPEST)
    if not isinstance(table, dict):
        raise ValueError(f"{name} holds no table")
    return table


def _copy_weights(path: Path, archive: zipfile.ZipFile, target: Path) -> None:
    if WEIGHTS not in archive.namelist():
        raise InputError(
            str(path),
            f"holds no {WEIGHTS}",
            remedy="save the whole model, with model.save('model.keras')",
        )
    member = _only(archive, WEIGHTS)
    stored = max(member.compress_size, COMPRESSES_WELL_BYTES)
    if member.file_size > min(LARGEST_WEIGHTS_BYTES, LARGEST_RATIO * stored):
        raise ValueError(f"{WEIGHTS} of {member.compress_size} bytes grows to {member.file_size}")
    with archive.open(member) as source, target.open("xb") as copy:
        shutil.copyfileobj(source, copy, 2**20)


def in_float32(value: Any, policies: set[str]) -> Any:
    """Copy a configuration with float32 in place of half precision, whose names are collected.

    A model trained in mixed precision has float32 weights; the weights of any other are exact in
    float32 too. All are run in float32 at the edge.
    """
    if isinstance(value, list):
        return [in_float32(each, policies) for each in value]
    if not isinstance(value, dict):
        return value
    kind, config = value.get("class_name"), value.get("config")
    if kind in ("DTypePolicy", "Policy") and isinstance(config, dict):
        return {**value, "config": _policy(config, "name", policies)}
    # The type of a tensor follows from the policy of the layer that gives it.
    found = set() if kind == "__keras_tensor__" else policies
    copy = {key: in_float32(each, found) for key, each in value.items()}
    return _policy(copy, "dtype", found)


def with_tables(value: Any, changed: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Copy a configuration with all its tables changed, the inner ones first."""
    if isinstance(value, list):
        return [with_tables(each, changed) for each in value]
    if not isinstance(value, dict):
        return value
    return changed({key: with_tables(each, changed) for key, each in value.items()})


def _plain(table: dict[str, Any]) -> dict[str, Any]:
    """Leave out what compiles and builds, and convert what an earlier Keras 3 wrote for today's."""
    if "class_name" in table:
        for key in ("compile_config", "build_config"):
            table.pop(key, None)
    outputs = table.get("output_layers")
    if isinstance(outputs, list) and len(outputs) == 1:
        # A list of one output gave a tensor then, and gives a list now.
        table["output_layers"] = outputs[0]
    if table.get("class_name") == "RandomRotation" and isinstance(table.get("config"), dict):
        # Written up to Keras 3.5, of no use to this layer, and refused since.
        table["config"].pop("value_range", None)
    return table


def _policy(config: dict[str, Any], key: str, policies: set[str]) -> dict[str, Any]:
    if config.get(key) not in POLICIES:
        return config
    policies.add(config[key])
    return {**config, key: "float32"}
