"""Files timed in turn: what is said of them, and what becomes of those that cannot be timed."""

import json
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from paths import HOSTILE

from edgecv.analysis.bench import BenchOptions, bench_files, rounds
from edgecv.analysis.bench.compare import compared
from edgecv.analysis.bench.records import Combination
from edgecv.analysis.bench.text import GRID_HEADINGS, HEADINGS, how, to_json, to_lines, to_text
from edgecv.core.errors import EdgecvError, InputError, RuntimeFailure
from edgecv.core.options import parse_options
from edgecv.system.cpu import Watch, least_busy, processor_seconds, usable

# Forked children lie alike in memory: over them a speed varies less than over started ones.
started = pytest.mark.usefixtures("fresh_children")
ONE_SECOND = BenchOptions(budget=1.0)


def onnx_file(path: Path, convolutions: int, batch: int | str = "batch") -> Path:
    """Write a network of some equal convolutions: float32 images (8, 8, 3) to 3 numbers."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    kernel = numpy_helper.from_array(np.full((3, 3, 3, 3), 0.01, np.float32), "kernel")
    nodes = [helper.make_node("Transpose", ["image"], ["x0"], perm=[0, 3, 1, 2])]
    for number in range(convolutions):
        taken = [f"x{number}", "kernel"]
        nodes.append(helper.make_node("Conv", taken, [f"x{number + 1}"], pads=[1, 1, 1, 1]))
    last = f"x{convolutions}"
    nodes.append(helper.make_node("ReduceMean", [last], ["y"], axes=[2, 3], keepdims=0))
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 8, 8, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 3])],
        [kernel],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


@started
def test_a_copy_is_the_same_and_eight_times_the_work_is_slower(tmp_path: Path) -> None:
    first = onnx_file(tmp_path / "a.onnx", 8)
    copy = Path(shutil.copy(first, tmp_path / "b.onnx"))
    found = bench_files([first, copy, onnx_file(tmp_path / "c.onnx", 64)], BenchOptions(budget=2.0))
    assert [each.verdict for each in found.timings] == ["first", "not distinguishable", "slower"]
    assert found.timings[2].interval[0] > 1.3
    assert found.cores[0] in usable()
    table = json.loads(to_json(found))
    assert table["schema_version"] == 1
    first_said, copy_said, slower_said = (row[-1] for row in to_lines(found)[1:])
    assert (first_said, slower_said) == ("", "slower")
    assert copy_said in ("not distinguishable", "may be within 3%")
    assert to_text(found).splitlines()[0].split() == " ".join(HEADINGS).split()
    assert how(found).startswith("1 thread on core ")
    assert f"one image a run, {found.processes} processes of each file in turn" in how(found)
    assert found.processes >= rounds.FEWEST_PROCESSES


def test_the_first_may_be_the_slower_one() -> None:
    blocks = np.full((20, 5), 30_000, np.int64)
    first, second = (Combination(Path(name), 1, 1) for name in "ab")
    timings = compared({first: [blocks] * 2, second: [blocks // 3] * 2}, {})
    assert [(each.verdict, each.ratio) for each in timings] == [
        ("first", 1.0),
        ("faster", pytest.approx(1 / 3)),
    ]


def test_a_batch_where_the_file_can_take_it(tmp_path: Path) -> None:
    paths = [onnx_file(tmp_path / "open.onnx", 2), onnx_file(tmp_path / "fixed.onnx", 2, batch=1)]
    found = bench_files(paths, BenchOptions(budget=1.0, batch=4))
    assert [each.path for each in found.timings] == [str(paths[0])]
    reason = found.failures[str(paths[1])]
    assert reason == "its batch is fixed at 1, and 4 images were given; accepted: a batch of 1"
    assert "4 images a run" in how(found)
    assert found.exit_code == 2, "a file that does not fit is wrong input"


@started
def test_threads_and_batches_are_rows_and_the_start_is_timed(tmp_path: Path) -> None:
    paths = [onnx_file(tmp_path / "open.onnx", 2), onnx_file(tmp_path / "fixed.onnx", 2, batch=1)]
    options = parse_options(
        BenchOptions, {"budget": 1.0, "batch": "1, 4", "markdown": tmp_path / "table.md"}, "here"
    )
    found = bench_files(paths, options)
    assert (found.threads, found.batch) == ((1,), (1, 4))
    rows = [(Path(each.path).name, each.latency.threads, each.batch) for each in found.timings]
    assert rows == [("open.onnx", 1, 1), ("open.onnx", 1, 4), ("fixed.onnx", 1, 1)]
    assert found.failures == {
        f"{paths[1]}, 1 thread, batch 4": "its batch is fixed at 1, and 4 images were given;"
        " accepted: a batch of 1"
    }
    one, four, fixed = found.timings
    assert four.us_an_image == four.latency.median_us / 4
    assert four.own_ratio < 1, "four images cost less than four calls"
    assert (one.verdict, four.verdict, fixed.verdict) == ("first", "first", "not distinguishable")
    assert all(each.open_ms > 0 and each.first_call_ms > 0 for each in found.timings)
    assert [line[:3] for line in to_lines(found)[1:]] == [
        (str(p), "1", b) for p, b in zip([paths[0], *paths], "141", strict=True)
    ]
    assert how(found).startswith("core ")
    table = json.loads(to_json(found))
    assert table["batch"] == [1, 4]
    assert table["timings"][1]["us_an_image"] == four.us_an_image
    written = (tmp_path / "table.md").read_text()
    assert written.startswith(f"| {' | '.join(GRID_HEADINGS)} |")
    assert "batch is fixed at 1" in written


def test_a_fixed_batch_of_images_is_not_timed_as_one_image(tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "fixed.onnx", 2, batch=8)
    found = bench_files([path], BenchOptions(budget=1.0, batch=(1, 8)))
    assert [each.batch for each in found.timings] == [8]
    (reason,) = found.failures.values()
    assert reason == "its batch is fixed at 8, and 1 image was given; accepted: a batch of 8"


def test_a_file_that_never_opens_is_one_line_and_single_values_add_nothing(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"\x08\x07 not a model")
    paths = [onnx_file(tmp_path / "a.onnx", 2), tmp_path / "bad.onnx"]
    found = bench_files(paths, BenchOptions(budget=1.0, batch=(1, 2)))
    assert list(found.failures) == [str(paths[1])]
    plain = json.loads(to_json(bench_files(paths[:1], ONE_SECOND)))
    assert (plain["threads"], plain["batch"]) == (1, 1)
    assert list(plain["timings"][0]) == ["path", "latency", "ratio", "interval", "verdict"]


@pytest.mark.parametrize(
    ("names", "settings", "message"),
    [
        ([], ONE_SECOND, "FILE: none given"),
        (["no.onnx"], ONE_SECOND, "there is no file"),
        (["a.onnx", "a.onnx"], ONE_SECOND, "is given twice; give a copy of it"),
        (["a.keras"], ONE_SECOND, "not a file for a device; accepted: files in .tflite, .onnx"),
        (["a.txt"], ONE_SECOND, 'has the ending ".txt"'),
        (["a.onnx"], BenchOptions(threads=1000), "--threads: 1000; accepted: 1 to"),
        (
            ["a.onnx"],
            BenchOptions(batch=tuple(range(1, 80))),
            "79 combinations of files, threads and",
        ),
        (["a.onnx"], BenchOptions(markdown="no/a.md"), "--markdown: there is no folder no"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_opened(
    names: list[str], settings: BenchOptions, message: str, tmp_path: Path
) -> None:
    for name in ("a.onnx", "a.keras", "a.txt"):
        (tmp_path / name).touch()
    with pytest.raises(InputError) as caught:
        bench_files([tmp_path / name for name in names], settings)
    assert message in str(caught.value)


def test_where_no_file_can_be_timed_the_reasons_are_the_error(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"\x08\x07 not a model")
    with pytest.raises(RuntimeFailure, match=r"bench: no file could be timed: .*a\.onnx: "):
        bench_files([tmp_path / "a.onnx"], ONE_SECOND)


def test_files_that_all_fail_while_they_are_timed_end_the_bench(tmp_path: Path) -> None:
    """Nothing is left to time: the rest of the budget is not waited for."""
    path = onnx_file(tmp_path / "a.onnx", 1)
    alone = Combination(path, 1, 1)
    failing = SimpleNamespace(
        combination=alone,
        start=SimpleNamespace(median_s=0.001),
        runs=0,
        blocks=[],
        worker=SimpleNamespace(time_block=refuse),
    )
    timed = rounds.Bench([path], ONE_SECOND, SimpleNamespace())  # type: ignore[arg-type]
    began = time.monotonic()
    timed._time([failing], 60.0)  # type: ignore[list-item]
    assert timed.failures == {alone: "it died"}
    assert time.monotonic() - began < 30


def refuse(path: Path, runs: int) -> None:
    raise RuntimeFailure(str(path), "it died")


@pytest.mark.parametrize(
    "names",
    [
        ["kws_edit_125_segv.tflite", "op_RandomUniform_6_SIGABRT.onnx"],
        pytest.param(None, marks=pytest.mark.slow, id="all"),
    ],
)
def test_a_hostile_file_is_a_line_and_the_good_one_is_timed(
    names: list[str] | None, tmp_path: Path
) -> None:
    if not HOSTILE.is_dir():
        pytest.skip(f"needs {HOSTILE}, which is not part of the project")
    suffixes = (".tflite", ".onnx")
    hostile = [each for each in sorted(HOSTILE.iterdir()) if each.suffix in suffixes]
    chosen = [each for each in hostile if names is None or each.name in names]
    good = onnx_file(tmp_path / "good.onnx", 2)
    found = bench_files([*chosen, good], ONE_SECOND)
    assert str(good) in [each.path for each in found.timings]
    # Some of them harm other kernels only: each file is either timed or has one line.
    assert {each.path for each in found.timings} | found.failures.keys() == {
        str(path) for path in (*chosen, good)
    }
    for reason in found.failures.values():
        assert "\n" not in reason
        assert "Traceback" not in reason
    if names is not None:
        assert len(found.failures) == len(names)
        assert found.exit_code == 3


def test_cores_that_are_least_busy_are_some_of_those_there_are() -> None:
    assert least_busy(1, look_s=0.02)[0] in usable()
    assert least_busy(1000) == usable()
    assert processor_seconds(os.getpid()) > 0


def test_a_watch_sees_that_this_process_was_busy() -> None:
    import time

    before, here = os.sched_getaffinity(0), usable()[-1]
    os.sched_setaffinity(0, {here})
    try:
        watch, until = Watch([here]), time.monotonic() + 0.2
        while time.monotonic() < until:
            pass
        load = watch.load()[here]
    finally:
        os.sched_setaffinity(0, before)
    assert load.busy > 0.5
    assert 0 <= load.stolen <= load.busy


def test_settings_have_limits() -> None:
    for options, name in (({"threads": 0}, "threads"), ({"budget": 0.5}, "budget")):
        with pytest.raises(EdgecvError, match=name):
            parse_options(BenchOptions, options, "command line")
