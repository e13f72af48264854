"""The parent's side of packing: lets a child process pack a file, and writes the result."""

import tempfile
from dataclasses import replace
from pathlib import Path

from edgecv.analysis.inspection.read_file import format_of
from edgecv.analysis.options import PackOptions
from edgecv.analysis.packing.child import SAMPLES
from edgecv.analysis.packing.records import PackedFile
from edgecv.core.errors import InputError
from edgecv.core.files import check_regular, read_regular
from edgecv.core.text import counted, listed
from edgecv.system.isolation.client import ask_once
from edgecv.system.isolation.codec import decode_printable
from edgecv.system.isolation.limits import ProcessLimits
from edgecv.system.isolation.process import ChildProgram
from edgecv.system.isolation.request import Request
from edgecv.system.storage import MANIFEST, check_outside_runs, write_bytes, write_json

PROGRAM = ChildProgram(
    "edgecv.analysis.packing.child",
    stages=("packing it", "running it"),
    remedy="the file is damaged or hostile: do not open it",
)
FORMATS = ("tflite", "onnx")
MEMORY_BYTES = 2**32
MEMORY_A_FILE_BYTE = 32
"""A file is held as bytes, as tables and as a model of its runtime, before and after."""
LARGEST_LOG_BYTES = 2**26
SECONDS = 60
BYTES_A_SECOND = 2_000_000


def pack_file(options: PackOptions) -> PackedFile:
    """Pack a file and write it. Raises InputError for one that must stay as it is."""
    path = options.file
    kind = format_of(path)
    if kind not in FORMATS:
        raise InputError(
            str(path),
            "is no file for a device",
            accepted=", ".join(f".{each}" for each in FORMATS),
            remedy="edgecv compress converts a model, and packs what it writes",
        )
    output = options.output or _beside(path)
    if options.names is not None and options.names.resolve() in (output.resolve(), path.resolve()):
        raise InputError("--names", f"{options.names} is a model", remedy="give another path")
    for flag, each in (("--output", output), ("--names", options.names)):
        if each is None:
            continue
        if not each.absolute().parent.is_dir():
            raise InputError(flag, f"there is no folder {each.parent}", remedy="make the folder")
        check_regular(each, flag)
        check_outside_runs(each, flag)
        if each.exists() and not options.force:
            raise InputError(str(each), "is there already", remedy="--force replaces it")
    with tempfile.TemporaryDirectory(prefix="edgecv-packing-") as folder:
        packed = Path(folder) / "packed"
        found = _packed(path, kind, packed, keep_names=options.keep_names)
        try:
            content = read_regular(packed)
        except OSError:
            found_text = "is left as it is: no packed file is there"
            raise InputError(str(path), found_text, remedy=PROGRAM.remedy) from None
        # A child may lie: its file is what counts.
        found = replace(found, bytes_before=path.stat().st_size, bytes_after=len(content))
        if found.bytes_after >= found.bytes_before:
            return found
        write_bytes(output, content)
    if options.names is not None:
        write_json(options.names, list(found.names))
    return replace(found, output=str(output))


def _beside(path: Path) -> Path:
    """Return the path beside a file; a file of a sealed folder is packed to where one is."""
    name = f"{path.stem}-packed{path.suffix}"
    is_in_run = (path.absolute().parent / MANIFEST).is_file()
    return Path(name) if is_in_run else path.with_name(name)


def _packed(path: Path, kind: str, packed: Path, *, keep_names: bool) -> PackedFile:
    size = path.stat().st_size
    seconds = SECONDS + size // BYTES_A_SECOND
    request = Request(
        "pack",
        {
            "path": str(path.absolute()),
            "kind": kind,
            "out": str(packed),
            "keep_names": keep_names,
        },
        lambda frame: decode_printable(PackedFile, frame),
        names=[str(path)],
        files=[path],
        silence_s=4.0 * seconds,
    )
    limits = ProcessLimits(
        MEMORY_BYTES + MEMORY_A_FILE_BYTE * size,
        threads=4,
        file_bytes=LARGEST_LOG_BYTES + 2 * size,
        cpu_s=seconds,
    )
    return ask_once(PROGRAM, "packing", request, limits, log=packed.with_name("stderr.txt"))


def to_text(path: str, found: PackedFile) -> str:
    """Return what packing has given."""
    before, after = found.bytes_before, found.bytes_after
    if found.output is None:
        return f"{path}: {before:,} bytes, nothing is to be gained; nothing was written"
    lines = [
        f"{path}: {before:,} -> {after:,} bytes, {1 - after / before:.1%} less: {found.output}",
        "the same network, part by part",
    ]
    if found.same_answers:
        runs = f"the same bytes out for {counted(SAMPLES, 'random input')}"
        lines.append(f"{runs}: {'; '.join(found.same_answers)}")
    if found.not_run:
        lines.append(f"not run on random inputs: {found.not_run}")
    if found.dropped:
        lines.append(f"left out: {listed(found.dropped)}")
    return "\n".join(lines)
