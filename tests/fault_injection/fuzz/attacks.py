"""Attacks on a finished run and on names: edited reports and locks, names, what is no file, scans.

Readers run in the child of a campaign. They raise ``AssertionError`` for a text that a terminal
would obey, for an "internal error" and for a traceback.
"""

import atexit
import copy
import io
import json
import os
import random
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.core.errors import EdgecvError

from .mutations import Random, of_bytes, of_json, of_text

CODES = (0, 1, 2, 3, 4)
NEVER = ("internal error", "Traceback", "is a bug", "it is a bug")
WHOLE_COMMAND_OF = 40
"""One of so many mutants of a run goes through whole commands: they take a second."""
NAMES = (
    *(b"caf\xe9", b"a\x1b[2Jb", "\u00e9\u4e2d".encode(), b"new\nline", b"tab\tx", b"-x", b"--json"),
    *("\u202egnp".encode(), b"\x9b31m", b"\xff\xfe", b"a" * 200, b" ", b"[red]x[/red]", b"%s{0}"),
    *(b"\x07bell", b"\x1b]0;title\x07", "\u2028".encode(), b"x|y", b"<b>&", b"'\"`$(id)"),
)
THINGS = ("fifo", "folder", "socket", "device", "loop", "dangling", "empty", "unreadable bytes")


def printed(arguments: Sequence[str]) -> tuple[int, str]:
    """Run a command line in this process; return its exit code and all that it has printed."""
    from edgecv.__main__ import main

    before, kept = sys.argv, (os.dup(1), os.dup(2))
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        sys.argv = ["edgecv", *arguments]
        try:
            code = main()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            sys.argv = before
            for number, descriptor in zip((1, 2), kept, strict=True):
                os.dup2(descriptor, number)
                os.close(descriptor)
        log.seek(0)
        return code, log.read().decode("utf-8", "surrogateescape")


def checked_command(arguments: Sequence[str]) -> int:
    """Run a command line and check its exit code and every letter that it prints."""
    code, text = printed(arguments)
    assert code in CODES, f"exit {code}: {text[-500:]!r}"
    check_text(text)
    if code == 2:
        last = (text.strip().splitlines() or [""])[-1]
        assert last.startswith("edgecv: "), f"exit 2 without a sentence: {last!r}"
    return code


def check_text(text: str) -> None:
    """Raise AssertionError for a text that no screen should get."""
    wrong = sorted({letter for letter in text if not letter.isprintable() and letter != "\n"})
    assert not wrong, f"{wrong[:5]} in {text[-300:]!r}"
    assert not any(words in text for words in NEVER), text[-500:]


def refused_or(code: int) -> None:
    """Raise the refusal that a command has printed, so that a campaign counts it."""
    if code in (2, 3):
        raise EdgecvError("command", f"ended with {code}")


@cache
def run_folder() -> Path:
    """Return a sealed run of two TFLite files, whose baseline is one of them."""
    from edgecv.analysis.options import ValidateOptions, validate
    from edgecv.reports.json_file import to_table
    from edgecv.system.storage import seal

    from .kinds import _exported, _npzs

    folder = Path(tempfile.mkdtemp(prefix="edgecv-fuzz-run-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "data.npz").write_bytes(_npzs()[0])
    run = folder / "run"
    run.mkdir()
    for name, content in zip(("float32", "int8"), _exported("tflite", classes=2), strict=True):
        (run / f"{name}.tflite").write_bytes(content)
    shutil.copyfile(run / "float32.tflite", run / "baseline.tflite")
    options = ValidateOptions(
        paths=(run / "float32.tflite", run / "int8.tflite"),
        data=str(folder / "data.npz"),
        baseline=run / "baseline.tflite",
    )
    report = to_table(validate(options))
    for each in report["comparisons"]:
        each["artifact"]["path"] = Path(each["artifact"]["path"]).name
    report["baseline"]["path"] = "baseline.tflite"
    report["name"] = "run"
    (run / "report.json").write_text(json.dumps(report))
    seal(run)
    return run


def reports() -> list[bytes]:
    """Return the report of the run."""
    return [(run_folder() / "report.json").read_bytes()]


def locks() -> list[bytes]:
    """Return the lock of the run, and one of a task with other scores than 0 and 1."""
    from edgecv.acceptance.answer_bits import PackedScores
    from edgecv.acceptance.lock_file import lock_text, read_lock

    run = run_folder()
    path = run.parent / "edgecv.lock"
    code, text = printed(["gate", str(run), "--update", "--against", str(path)])
    assert code == 0, text
    lock = read_lock(path)
    scores = PackedScores.of(np.linspace(-1, 0, lock.data.images))
    changed = {"right": None, "scores": scores}
    artifacts = {name: each.model_copy(update=changed) for name, each in lock.artifacts.items()}
    others = lock_text(lock.model_copy(update={"artifacts": artifacts}))
    return [path.read_bytes(), others.encode()]


def of_report(content: bytes, seeds: Sequence[bytes], chance: Random) -> bytes:
    """Edit a report as somebody with a plan would, or anywhere."""
    if chance.random() < 0.6:
        return of_json(content, seeds, chance)
    report = json.loads(content)
    edits: list[Callable[[], object]] = [
        lambda: report["recipe"].update(seed=chance.choice(([1], "0", -1, 2**40, None, 1.5, {}))),
        lambda: report["data"]["splits"].pop("test"),
        lambda: report["data"].update(splits={"test": {"images": 1, "sha256": "0" * 64}}),
        lambda: report["data"].update(classes=[]),
        lambda: _artifact(report, chance).update(path="x" * 300),
        lambda: _artifact(report, chance).update(path=chance.choice(("", ".", "..", "/", "\0"))),
        lambda: _artifact(report, chance).update(path="a\x1b[2J.tflite"),
        lambda: report["comparisons"].append(copy.deepcopy(report["comparisons"][0])),
        lambda: report.update(comparisons=_many(report, chance.choice((300, 2000)))),
        lambda: report["baseline"].update(path=chance.choice(("x" * 300, "..", "int8.tflite"))),
        lambda: report["recipe"].update(technique=chance.choice(([{}], [1], {"a": 1}, "qat"))),
        lambda: report["recipe"].update(baseline=chance.choice(([], None, {"labels": [1]}))),
        lambda: report["recipe"].update(task=chance.choice(([], {"task": []}, {"task": "x"}))),
        lambda: report["recipe"].update(gates=chance.choice(([], {"max_drop_points": "x"}))),
        lambda: report["recipe"]["data"].update(path=chance.choice(("", "/dev/zero", "x" * 5000))),
        lambda: report.update(name=chance.choice(("\x1b[2J", "x" * 9999, "\ud800", ""))),
        lambda: report.update(environment=chance.choice(([], {"machine": []}, {"a": {}}))),
        lambda: chance.choice(report["comparisons"]).update(speedup=0.0, size_ratio=0.0),
        lambda: chance.choice(report["comparisons"]).update(speedup=-1.0, size_ratio=1e-320),
        lambda: chance.choice(report["comparisons"]).update(mean_probability_difference=None),
        lambda: report["gates"].append({**GATE, "name": "{output.__class__}"}),
        lambda: report["gates"].append({**GATE, "limit": 1e308, "observed": -1e308}),
        lambda: report["recipe"].update(x=_nested(chance.choice((40, 900, 5000)))),
    ]
    for _ in range(chance.choice((1, 1, 2))):
        try:
            chance.choice(edits)()
        except (KeyError, IndexError, TypeError, AttributeError):
            break  # An edit before it has removed the place.
    return _dumps(report)


GATE = {
    "name": "x", "artifact": "int8.tflite", "limit": 1.0, "observed": 2.0, "outcome": "failed",
    "reason": "",
}  # fmt: skip


def of_lock(content: bytes, seeds: Sequence[bytes], chance: Random) -> bytes:
    """Edit a lock, or make it large or deep."""
    if chance.random() < 0.95:
        return of_text(content, seeds, chance)
    grown = (
        b"x = [" + b"[]," * 330_000 + b"]\n",
        b"".join(b"[%d%s]\n" % (number, b".a" * 90) for number in range(5000)),
        b"a = " + b"[" * 900_000,
        b"a = " + b"{a = " * 100_000,
        b'right = "' + b"A" * 2_000_000 + b'"\n',
        b'codes = "' + b"A" * 990_000 + b'"\n',
        b"#" * 12_000_000,
        b"".join(b"k%d = %d\n" % (number, number) for number in range(70_000)),
    )
    return content + b"\n" + chance.choice(grown)


def read_edited_report(path: Path) -> object:
    """Seal a run with an edited report, and read it as every command does."""
    from edgecv.system.storage import seal

    run = run_folder()
    shutil.copyfile(path, run / "report.json")
    (run / "manifest.json").unlink(missing_ok=True)
    seal(run)
    content = path.read_bytes()
    checked_command(["verify", str(run)])
    is_whole = random.Random(content).randrange(WHOLE_COMMAND_OF) == 0
    if is_whole:
        checked_command(["validate", str(run)])
        checked_command(["gate", str(run), "--against", str(run.parent / "edgecv.lock")])
    return show_report(run)


def show_report(run: Path) -> object:
    """Show a report in every way, and prepare its validation."""
    from rich.console import Console

    from edgecv.analysis.options import ValidateOptions
    from edgecv.analysis.validate_request import request_of
    from edgecv.cli.show import narrow_tables, report_tables
    from edgecv.pipeline.recipe_table import to_json
    from edgecv.pipeline.recipe_table import to_markdown as to_table
    from edgecv.reports.html import report_html
    from edgecv.reports.json_file import read_report
    from edgecv.reports.markdown import to_markdown

    report = read_report(run)
    for text in (to_markdown(report), report_html(report)):
        check_text(text)
    to_json([report])
    to_table([report])
    for table in (*report_tables(report), *narrow_tables(report)):
        console = Console(file=io.StringIO(), width=80)
        console.print(table, highlight=False, markup=False)
        check_text(console.file.getvalue())  # type: ignore[attr-defined]
    return request_of(ValidateOptions(paths=(run,)))


@cache
def measured() -> Any:
    """Return the run, measured: what a lock is held against."""
    from edgecv.acceptance.gate import MeasuredRun
    from edgecv.analysis.options import ValidateOptions
    from edgecv.analysis.validate import validate
    from edgecv.pipeline.context import open_analysis

    request = ValidateOptions(paths=(run_folder(),)).request()
    with open_analysis(request.settings, lambda event: None, None, request.trust) as context:
        return MeasuredRun("run", *validate(request, context))


def read_edited_lock(path: Path) -> object:
    """Judge a run by an edited lock, and show what came of it in every way."""
    from edgecv.acceptance.gate import judgement_of
    from edgecv.acceptance.junit import to_junit
    from edgecv.acceptance.lock_file import lock_text, read_lock
    from edgecv.acceptance.markdown import to_markdown
    from edgecv.acceptance.outputs import to_table
    from edgecv.acceptance.text import advice, verdict_line

    judgement = judgement_of(measured(), lock := read_lock(path), path)
    check_text(to_junit(judgement).decode())
    check_text(to_markdown(judgement))
    json.dumps(to_table(judgement), allow_nan=False)
    lock_text(lock)
    return verdict_line(judgement), advice(judgement)


def plans() -> list[bytes]:
    """Return the seed of ``of_plan``: which command meets what under which name."""
    return [json.dumps({"command": 0, "name": b"plain".hex(), "thing": "good"}).encode()]


def of_name(content: bytes, seeds: Sequence[bytes], chance: Random) -> bytes:
    """Give a good file or folder a name that a screen would obey, or that is no text."""
    parts = chance.sample(NAMES, chance.choice((1, 1, 2)))
    name = b"".join(parts)
    if chance.random() < 0.3:
        name += bytes(chance.randrange(1, 256) for _ in range(chance.randrange(1, 8)))
    name = name.replace(b"/", b"?")[:120]
    plan = {"command": chance.randrange(len(COMMANDS)), "name": name.hex(), "thing": "good"}
    return json.dumps(plan).encode()


def of_place(content: bytes, seeds: Sequence[bytes], chance: Random) -> bytes:
    """Put something that is no file where a command expects one."""
    plan = {
        "command": chance.randrange(len(COMMANDS)),
        "name": chance.choice((b"plain", *NAMES)).hex(),
        "thing": chance.choice(THINGS),
        "place": chance.randrange(3),
    }
    return json.dumps(plan).encode()


COMMANDS: tuple[tuple[str, ...], ...] = (
    ("verify", "{run}"),
    ("inspect", "{tflite}"),
    ("inspect", "{onnx}", "--json"),
    ("validate", "{tflite}", "--data", "{npz}"),
    ("validate", "{tflite}", "--data", "{npz}", "--labels", "{labels}"),
    ("validate", "{tflite}", "--data", "{npz}", "--baseline", "{onnx}", "--json"),
    ("validate", "{run}"),
    (
        *("gate", "{run}", "--against", "{lock}"),
        *("--markdown", "{name}.md", "--junit", "{name}.xml"),
    ),
    ("gate", "{run}", "--update", "--against", "{lock}"),
    ("bench", "{tflite}", "{onnx}", "--budget", "1"),
    ("doctor", "{tflite}"),
)


def read_plan(path: Path) -> object:
    """Run a command on files of some name, one of which may be no file."""
    plan = json.loads(path.read_bytes())
    name = os.fsdecode(bytes.fromhex(plan["name"]))
    with tempfile.TemporaryDirectory(prefix="edgecv-fuzz-names-") as folder:
        files = _files_named(Path(folder), name)
        arguments = [part.format(**files, name=f"{folder}/{name}") for part in _command(plan)]
        if plan["thing"] != "good":
            places = [part for part in _command(plan) if part.startswith("{") and part != "{name}"]
            place = Path(files.get(places[plan["place"] % len(places)].strip("{}.mdxl"), folder))
            if place != Path(folder):
                _put(plan["thing"], place)
        code = checked_command(arguments)
        for written in Path(folder).glob("*.md"), Path(folder).glob("*.xml"):
            for each in written:
                check_text(each.read_text("utf-8"))
        if plan["thing"] == "good":
            assert code in (0, 1, 4), f"{arguments[0]} ended with {code} for a name"
    refused_or(code)
    return code


def _command(plan: dict[str, Any]) -> tuple[str, ...]:
    return COMMANDS[plan["command"]]


def _files_named(folder: Path, name: str) -> dict[str, str]:
    from .kinds import _exported

    run = run_folder()
    files = {key: str(folder / f"{name}.{key}") for key in ("tflite", "onnx", "npz")}
    files |= {"lock": str(folder / f"{name}.lock"), "labels": str(folder / f"{name}.txt")}
    files["run"] = str(folder / f"{name}.run")
    shutil.copytree(run, files["run"])
    shutil.copyfile(run / "int8.tflite", files["tflite"])
    Path(files["onnx"]).write_bytes(_cached_onnx(_exported))
    shutil.copyfile(run.parent / "data.npz", files["npz"])
    shutil.copyfile(_lock_of_run(), files["lock"])
    Path(files["labels"]).write_text("cat\ndog\n")
    return files


_ONNX: list[bytes] = []


def _cached_onnx(export: Callable[..., list[bytes]]) -> bytes:
    if not _ONNX:
        _ONNX.append(export("onnx", classes=2)[0])
    return _ONNX[0]


@cache
def _lock_of_run() -> Path:
    locks()
    return run_folder().parent / "edgecv.lock"


def _put(thing: str, place: Path) -> None:
    """Replace a file or folder by something else."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    match thing:
        case "fifo":
            os.mkfifo(place)
        case "folder":
            place.mkdir()
        case "socket":
            here = os.getcwd()
            os.chdir(place.parent)  # The name of a socket is short.
            try:
                with socket.socket(socket.AF_UNIX) as made:
                    made.bind(os.fsencode(place.name)[:100])
            finally:
                os.chdir(here)
        case "device":
            place.symlink_to("/dev/zero")
        case "loop":
            place.symlink_to(place.name)
        case "dangling":
            place.symlink_to("nothing")
        case "empty":
            place.write_bytes(b"")
        case _:
            place.write_bytes(bytes(range(256)) * 8)


def pictures() -> list[bytes]:
    """Return JPEGs, one of which comes in scans, and a PNG, a BMP and a WebP."""
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    contents = []
    for kind, options in (
        *(("JPEG", {}), ("JPEG", {"progressive": True}), ("JPEG", {"restart_marker_rows": 1})),
        *(("PNG", {}), ("BMP", {}), ("WEBP", {})),
    ):
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, kind, **options)
        contents.append(content.getvalue())
    return contents


def of_scans(content: bytes, seeds: Sequence[bytes], chance: Random) -> bytes:
    """Repeat the scans of a JPEG, or make its picture larger, or damage it."""
    starts = [at for at in range(len(content) - 1) if content[at : at + 2] == b"\xff\xda"]
    if not content.startswith(b"\xff\xd8") or not starts or chance.random() < 0.3:
        return of_bytes(content, seeds, chance)
    mutant = bytearray(content)
    frame = next((mutant.find(b"\xff" + bytes([kind])) for kind in (0xC2, 0xC0)), -1)
    if chance.random() < 0.5 and frame > 0:
        side = chance.choice(((1, 65535), (65535, 1), (65535, 65535), (7000, 7000), (0, 0)))
        mutant[frame + 5 : frame + 9] = side[0].to_bytes(2, "big") + side[1].to_bytes(2, "big")
    if chance.random() < 0.7:
        scan = bytes(mutant[starts[-1] : -2])
        times = chance.choice((2, 50, 99, 101, 1000, 3000))
        mutant[-2:-2] = scan * min(times, 3_000_000 // max(1, len(scan)))
    return bytes(mutant)


def read_picture(path: Path) -> object:
    """Decode a picture; a bad one is refused by name."""
    from edgecv.core.errors import InputError
    from edgecv.datasets.image_tree.decoding import BadImage, decode

    try:
        return decode(path.read_bytes(), (32, 32, 3))
    except BadImage as error:
        raise InputError(path.name, str(error)) from None


def configurations() -> list[bytes]:
    """Return the configurations of Keras files, and one with functions."""
    import zipfile

    from .kinds import _keras_seeds

    found = []
    for content in _keras_seeds():
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            found.append(archive.read("config.json"))
    return [*found, json.dumps(FUNCTIONS).encode(), b'{"class_name": "Sequential"}']


FUNCTIONS = {
    "class_name": "Sequential",
    "config": {
        "layers": [
            {
                "class_name": "TFOpLambda",
                "config": {"function": "math.add", "name": "a"},
                "inbound_nodes": [["b", 0, 0, {"y": ["c", 0, 0]}]],
            },
            {
                "class_name": "Activation",
                "config": {
                    "activation": {
                        "class_name": "function", "config": "relu", "registered_name": "relu",
                    }
                },
            },
        ]
    },
}  # fmt: skip


def read_configuration(path: Path) -> object:
    """Read a configuration in an archive: checked as one of Keras 2, planned as one of Keras 3."""
    import zipfile

    from edgecv.formats.keras.keras2_safety import check, classes_in, registered_names
    from edgecv.formats.keras.keras3.archive import (
        CONFIGURATION,
        WEIGHTS,
        read_archive,
        read_keras2_archive,
    )
    from edgecv.formats.keras.keras3.load import read_plan as plan_of
    from edgecv.formats.trust import NO_TRUST

    archive = path.with_suffix(".keras")
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr(CONFIGURATION, path.read_bytes())
        members.writestr(WEIGHTS, b"weights")
    with tempfile.TemporaryDirectory(prefix="edgecv-fuzz-") as folder:
        try:
            found = read_keras2_archive(archive, Path(folder)).configuration
            check(archive, found, NO_TRUST)
            classes_in(found), registered_names(found)
        except EdgecvError:
            return plan_of(archive, read_archive(archive, Path(folder)))
    return found


def _artifact(report: Any, chance: Random) -> Any:
    return chance.choice(report["comparisons"])["artifact"]


def _many(report: Any, count: int) -> list[Any]:
    found = []
    for number in range(count):
        each = copy.deepcopy(report["comparisons"][0])
        each["artifact"]["path"] = f"{number}.tflite"
        found.append(each)
    return found


def _nested(depth: int) -> Any:
    return "LEVELS" if depth > 900 else json.loads("[" * depth + "]" * depth)


def _dumps(report: Any) -> bytes:
    text = json.dumps(report).replace('"LEVELS"', "[" * 5000 + "]" * 5000)
    return text.encode("utf-8", "surrogatepass")
