"""Compiled C projects, and what LiteRT computes: every tensor of a model is compared."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecv.formats.tflite.interpreter import new_interpreter
from edgecv.formats.tflite.operators import TFLiteTensor
from edgecv.formats.tflite.tables import TFLiteTables
from edgecv.targets.c.compiled import SOURCES, c_compiler
from edgecv.targets.c.generate import generate
from edgecv.targets.c.program import Arithmetic
from edgecv.targets.c.project import Golden, PlacedProgram, write

STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off")
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
needs_compiler = pytest.mark.skipif(c_compiler() is None, reason="needs a C compiler: gcc")


def written(program: PlacedProgram, golden: Golden, folder: Path) -> None:
    """Write a project into a folder."""
    for name, text in write(program, golden).items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)


def build(content: bytes, arithmetic: Arithmetic, folder: Path, flags: Sequence[str]) -> Path:
    """Write a project, compile it, and return its main program."""
    written(generate(content, "model.tflite", arithmetic), Golden(), folder)
    compiler = shutil.which("gcc") or c_compiler()
    command = [str(compiler), *STRICT, *flags, *SOURCES, "-o", "main", "-lm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "main"


def answers(
    program: Path, inputs: Sequence[NDArray[Any]], tensors: Sequence[TFLiteTensor]
) -> list[list[NDArray[Any]]]:
    """Return what a program gives for inputs, one list for each."""
    given = b"".join(each.tobytes() for each in inputs)
    done = subprocess.run([program], input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    record = np.dtype([(str(n), each.type, each.shape) for n, each in enumerate(tensors)])
    rows = np.frombuffer(done.stdout, record)
    assert len(rows) == len(inputs)
    return [[row[str(n)] for n in range(len(tensors))] for row in rows]


def random_inputs(content: bytes, count: int, seed: int = 0) -> list[NDArray[Any]]:
    """Return random numbers of the whole range of a model's one input."""
    (tensor,) = TFLiteTables(content, "model").inputs
    random = np.random.default_rng(seed)
    if tensor.type == "float32":
        return list(random.normal(size=(count, *tensor.shape)).astype(np.float32))
    limits = np.iinfo(tensor.type)
    return list(random.integers(limits.min, limits.max + 1, (count, *tensor.shape), tensor.type))


@contextmanager
def all_tensors_given() -> Iterator[None]:
    """Make every tensor that is computed an output of the model, for the C target alone."""
    own = TFLiteTables.outputs.func  # type: ignore[attr-defined]

    def all_computed(tables: TFLiteTables) -> tuple[TFLiteTensor, ...]:
        made = [each for operator in tables.operators for each in operator.outputs]
        found = {each.number: each for each in [*made, *own(tables)]}
        return tuple(each for each in found.values() if tables.constant(each) is None)

    with mock.patch.object(TFLiteTables, "outputs", property(all_computed)):
        yield


def disagreements(
    content: bytes,
    arithmetic: Arithmetic,
    folder: Path,
    *,
    count: int = 20,
    flags: Sequence[str] = SANITIZED,
    every_tensor: bool = True,
    near: float = 1e-5,
) -> list[str]:
    """Return what differs from LiteRT: integers in any bit, reals by ``near`` of the largest."""
    inputs = random_inputs(content, count)
    tables = TFLiteTables(content, "model")
    tensors = tables.outputs
    if every_tensor:
        with all_tensors_given():
            tensors = TFLiteTables(content, "model").outputs
            program = build(content, arithmetic, folder, flags)
    else:
        program = build(content, arithmetic, folder, flags)
    found = answers(program, inputs, tensors)
    interpreter = new_interpreter(content, 1, arithmetic, keep_all=every_tensor)
    interpreter.allocate_tensors()
    (taken,) = interpreter.get_input_details()
    wrong: dict[str, int] = {}
    for given, row in zip(inputs, found, strict=True):
        interpreter.set_tensor(taken["index"], given)
        interpreter.invoke()
        for tensor, mine in zip(tensors, row, strict=True):
            theirs = interpreter.get_tensor(tensor.number).reshape(mine.shape)
            if tensor.type == "float32":
                room = near * max(1.0, float(np.abs(theirs).max()))
                differs = ~(np.abs(mine - theirs) <= room)
            else:
                differs = mine != theirs
            if differs.any():
                name = f"{tables.producer(tensor)}: {list(tensor.shape)}"
                wrong[name] = wrong.get(name, 0) + int(differs.sum())
    return [f"{name}: {number} numbers differ" for name, number in wrong.items()]
