"""The child's side of packing: packs one file, and runs it before and after on random values."""

from functools import partial
from pathlib import Path

import numpy as np

from edgecv.analysis.packing.records import PackedFile
from edgecv.core.errors import InputError, RuntimeFailure
from edgecv.core.files import read_regular
from edgecv.core.input_spec import DEFAULT_INPUT
from edgecv.core.plugins import Runtime
from edgecv.core.registry import EXPORTERS, RUNTIMES
from edgecv.formats.declared_inputs import random_reals
from edgecv.formats.file_exporter import FileExporter
from edgecv.formats.packing import UnknownStructure
from edgecv.system.isolation.codec import encode
from edgecv.system.isolation.server import ActionServer, Response

SAMPLES = 8
"""Random inputs that both files are run on."""
VARIANTS = 2
"""Sets of kernels of each runtime that run; LiteRT's third is a thousand times slower."""


def main() -> None:
    """Serve one request from standard input."""
    server = ActionServer("packing")
    server.serve({"pack": partial(pack, server)})


def pack(server: ActionServer, *, path: str, kind: str, out: str, keep_names: bool) -> Response:
    """Write a packed file to ``out``, and return its facts."""
    server.stage("packing it")
    content, exporter = read_regular(Path(path)), EXPORTERS.get(kind, "format")
    assert issubclass(exporter, FileExporter)
    try:
        found = exporter(precision="float32").packed(content, keep_names=keep_names)
    except UnknownStructure as error:
        raise InputError(path, f"is left as it is: it {error}", remedy="use it as it is") from None
    Path(out).write_bytes(found.content)
    server.stage("running it")
    same, not_run = _answers(Path(path), Path(out), kind)
    facts = PackedFile(
        len(content), len(found.content), tuple(found.dropped), same, not_run, tuple(found.names)
    )
    return encode(PackedFile, facts)


def _answers(before: Path, after: Path, kind: str) -> tuple[tuple[str, ...], str]:
    """Return how both files gave the same answers, and why they were not run."""
    same: list[str] = []
    (runtime,) = [each for each in RUNTIMES.classes.values() if each.format == kind]
    for name, options in list(runtime.kernel_variants.items())[:VARIANTS]:
        opened = runtime(**options)
        try:
            first = _run(opened, before)
        except RuntimeFailure as failure:
            return tuple(same), failure.found
        if first != _run(opened, before):
            return tuple(same), "its answers change from one run to the next"
        if first != _run(opened, after):
            raise InputError(
                str(before),
                f"is left as it is: packed, it gives other answers ({runtime.name}, {name})",
                remedy="please report it: it is a bug",
            )
        same.append(f"{runtime.name}, {name}")
    return tuple(same), ""


def _run(runtime: Runtime, path: Path) -> list[bytes]:
    """Return the outputs for random inputs."""
    opened, generator = runtime.open_tensors(path, 1, DEFAULT_INPUT), np.random.default_rng(0)
    samples = (
        [random_reals(each, 1, generator, DEFAULT_INPUT)[0] for each in opened.ends.inputs]
        for _ in range(SAMPLES)
    )
    return [output.tobytes() for each in samples for output in opened.answer(each)]
