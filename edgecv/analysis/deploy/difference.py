"""The changes that a new bundle brings to the device of an old one: inputs, memory, answers."""

import math
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from edgecv.core.data import Outputs, Predictions
from edgecv.core.errors import InputError
from edgecv.core.files import read_regular
from edgecv.core.registry import TASKS
from edgecv.core.tables import fault_of, json_value
from edgecv.core.text import counted, printable

ACCEPTED = "a bundle: a folder or .zip that edgecv deploy --to bundle wrote"
LARGEST_BYTES = 50_000_000
MOST_GOLDEN = 1000
MOST_SIDES = 8
Read = Callable[[str], bytes]
Side = Annotated[int, Field(ge=1, le=2**20)]


class _End(BaseModel):
    """An input or output in ``model.json``."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)

    name: str
    type: str = Field(pattern=r"^(float16|float32|u?int8|u?int16|int32|int64|bool)$")
    scale: float | None = None
    zero_point: int | None = None
    answer: list[Side] = Field(default=[], max_length=MOST_SIDES)


class _Card(BaseModel):
    """A ``model.json``, whose other keys are compared as they are."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)

    format: int
    task: dict[str, Any]
    inputs: list[_End] = Field(min_length=1, max_length=100)
    outputs: list[_End] = Field(min_length=1, max_length=1000)

    @field_validator("outputs")
    @classmethod
    def _names_differ(cls, value: list[_End]) -> list[_End]:
        name, count = Counter(each.name for each in value).most_common(1)[0]
        if count > 1:
            raise ValueError(f"two outputs are called {name}")
        return value


def check_two(paths: Sequence[Path]) -> tuple[Path, Path]:
    """Return an old and a new bundle. Raises InputError for another number of them."""
    if len(paths) != 2:
        found = f"{counted(len(paths), 'bundle')} is given" if len(paths) == 1 else "too many"
        raise InputError("--diff", found, accepted="two bundles: --diff OLD NEW")
    return paths[0], paths[1]


def changes(old: Path, new: Path) -> list[tuple[str, str]]:
    """Return part and change of all that a device notices; empty for none.

    Raises InputError where one of both is no bundle. Its content is untrusted.
    """
    first, second = _reader(old), _reader(new)
    cards = _card(first, old), _card(second, new)
    found = list(_card_changes(*cards))
    if (names := [read("labels.txt") for read in (first, second)])[0] != names[1]:
        lines = [counted(len(each.splitlines()), "name") for each in names]
        found.append(("labels.txt", f"{lines[0]} -> {lines[1]}, or other names"))
    found += _answer_changes(first, second, *cards)
    return [(printable(part), printable(change)) for part, change in found]


def _card_changes(old: _Card, new: _Card) -> Iterator[tuple[str, str]]:
    before, after = old.model_dump(), new.model_dump()
    for key in dict.fromkeys([*before, *after]):
        if key not in ("inputs", "outputs") and before.get(key) != after.get(key):
            yield key, f"{before.get(key)} -> {after.get(key)}"
    for kind in ("inputs", "outputs"):
        if len(before[kind]) != len(after[kind]):
            yield kind, f"{len(before[kind])} -> {len(after[kind])}"
            continue
        for number, (one, other) in enumerate(zip(before[kind], after[kind], strict=True)):
            for key in dict.fromkeys([*one, *other]):
                if one.get(key) != other.get(key):
                    yield f"{kind}[{number}] {key}", f"{one.get(key)} -> {other.get(key)}"


def _answer_changes(first: Read, second: Read, old: _Card, new: _Card) -> Iterator[tuple[str, str]]:
    """Compare the golden answers to the images that both have."""
    shared = []
    for number in range(MOST_GOLDEN):
        try:
            pictures = [read(f"golden/{number:02}.png") for read in (first, second)]
        except InputError:
            break
        shared += [number] if pictures[0] == pictures[1] else []
    if not shared:
        yield "answers", "no golden image is in both"
        return
    if [each.answer for each in old.outputs] != [each.answer for each in new.outputs]:
        return  # Another shape of outputs is a change of its own.
    before, after = _golden(first, old, shared), _golden(second, new, shared)
    task = TASKS.parse(new.task.get("heads", new.task), "model.json, task")
    try:
        outputs = [task.normalized(each, {})[0] for each in (before, after)]
    except (ValueError, LookupError):
        outputs = [before, after]
    try:
        same = int(task.same_answer(outputs[1], outputs[0]).sum())
    except (ValueError, LookupError) as error:
        found = f"its answers cannot be compared as {task.name}: {error}"
        raise InputError("model.json, task", found, accepted=ACCEPTED) from None
    if same < len(shared):
        images = counted(len(shared), "golden image")
        yield "answers", f"{len(shared) - same} of {images} get another answer"


def _golden(read: Read, card: _Card, numbers: Sequence[int]) -> Outputs:
    """Return the golden outputs of some images as reals."""
    arrays: dict[str, Predictions] = {}
    for place, each in enumerate(card.outputs):
        stored: list[NDArray[Any]] = []
        for number in numbers:
            name = f"golden/{number:02}.output{place}.bin"
            content = read(name)
            if len(content) != np.dtype(each.type).itemsize * math.prod(each.answer):
                raise InputError(name, f"has {len(content):,} bytes", accepted=f"{each.answer}")
            stored.append(np.frombuffer(content, each.type).reshape(each.answer))
        reals = np.stack(stored).astype(np.float32)
        if each.scale is not None:
            reals = (reals - np.float32(each.zero_point or 0)) * np.float32(each.scale)
        arrays[each.name] = reals
    return Outputs(arrays)


def _reader(path: Path) -> Read:
    """Return a function that reads a file of a bundle, of bounded size."""
    if path.is_dir():
        return lambda name: _read_file(path / name)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        raise InputError(str(path), "is no bundle", accepted=ACCEPTED) from None
    root = members[0].split("/")[0] if members else ""

    def read(name: str) -> bytes:
        with zipfile.ZipFile(path) as archive:
            try:
                member = archive.getinfo(f"{root}/{name}")
            except KeyError:
                raise InputError(f"{path}/{name}", "is not there", accepted=ACCEPTED) from None
            if member.file_size > LARGEST_BYTES:
                raise InputError(f"{path}/{name}", "is too large", accepted=ACCEPTED)
            try:
                return archive.read(member)
            except Exception as error:  # noqa: BLE001  zipfile, zlib, struct: all come through
                found = f"is damaged in the zip: {error}"
                raise InputError(f"{path}/{name}", found, accepted=ACCEPTED) from None

    return read


def _read_file(path: Path) -> bytes:
    try:
        return read_regular(path, LARGEST_BYTES, accepted=ACCEPTED)
    except OSError as error:
        raise InputError(
            str(path), f"cannot be read: {error.strerror}", accepted=ACCEPTED
        ) from None


def _card(read: Read, path: Path) -> _Card:
    try:
        return _Card.model_validate(json_value(read("model.json")))
    except ValidationError as error:
        place, fault = fault_of(error)
        how = f'"{place}": {fault}'
        raise InputError(f"{path}/model.json", f"is damaged: {how}", accepted=ACCEPTED) from None
    except ValueError as error:
        raise InputError(f"{path}/model.json", f"is damaged: {error}", accepted=ACCEPTED) from None
