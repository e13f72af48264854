"""``report.html``: the figures of ``report.json``, every text as text, nothing from a network."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages import Page, known_numbers, numbers
from PIL import Image
from refusals import refusal_of
from small_report import COMPARISON, REPORT, STATISTICS

from edgecv.core.report import Gate, Report, TrainingCurve
from edgecv.datasets.image_tree.decoding import decode_with_size
from edgecv.datasets.placement import Resize
from edgecv.reports.contact_sheet import Tile
from edgecv.reports.files import write_page
from edgecv.reports.gallery import MOST_BYTES, GalleryWriter, picture_text, read_gallery
from edgecv.reports.json_file import read_report
from edgecv.reports.page.build import to_page
from edgecv.reports.page.classes import class_parts
from edgecv.reports.page.plot import LETTER, _crosses, plots
from edgecv.reports.page.snippet import RESIZED, snippets

CONSTANTS = {"95", "2.5", "1998", "0.05", "15", "9", "256", "0", "1", "8", "32"}
"""Numbers of the page's own sentences and names: the level of intervals, gzip -9, SHA-256."""
HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</style></script><svg onload=alert(1)>",
    "{{ 7 * 191 }} {% raw %}",
    "a\u202eb\u200fc\u2066d",
    "x" * 10_000,
)
HOSTILE_TEXTS = st.sampled_from(HOSTILE) | st.text(min_size=1, max_size=60)


def of_folder(folder: Path) -> Page:
    return Page((folder / "report.html").read_text("utf-8"))


def test_every_number_of_a_page_stands_in_report_json(main_report: Report, output: Path) -> None:
    folder = output / "main"
    table = json.loads((folder / "report.json").read_text())
    known = known_numbers(table) | CONSTANTS
    page = of_folder(folder)
    texts = [text for text in page.texts if not text.startswith("image ")]
    gallery = read_gallery(folder)
    known |= known_numbers([list(image.lines) for each in gallery.files for image in each.images])
    known |= {f"{image.image:,}" for each in gallery.files for image in each.images}
    known |= {str(sum(gate["outcome"] == "passed" for gate in table["gates"]))}
    known |= known_numbers(_precisions_and_recalls(table))
    assert numbers("\n".join(texts)) - known == set()


def _precisions_and_recalls(table: dict[str, Any]) -> list[float]:
    classes = [each for model in table["results"] for each in model["results"]["classes"]]
    wholes = [(each, each[whole]) for each in classes for whole in ("answers", "images")]
    return [each["right"] / whole for each, whole in wholes if whole]


def test_a_confusion_matrix_has_the_counts_of_report_json(output: Path) -> None:
    report = read_report(output / "main")
    names, parts = report.data.classes, class_parts(report)
    assert [part.label for part in parts] == [each.path for each in report.results]
    for part, model in zip(parts, report.results, strict=True):
        found = {
            (row, column): count
            for row, counts in zip(part.names, part.counts, strict=True)
            for column, count in zip(part.names, counts, strict=True)
            if count
        }
        right = {(names[each.label],) * 2: each.right for each in model.results.classes}
        wrong = {
            (names[each.label], names[each.answer]): each.images for each in model.results.confusion
        }
        assert found == {key: count for key, count in (right | wrong).items() if count}


def test_figures_and_marks_of_each_file_are_those_of_report_json(output: Path) -> None:
    folder = output / "main"
    table = json.loads((folder / "report.json").read_text())
    text = (folder / "report.html").read_text("utf-8")
    rows = re.findall(r'<tr[^>]*><th scope="row">([^<]+)</th>(.*)</tr>', text)
    marks = [each for each in of_folder(folder).all_of("g") if each["class"].startswith("mark")]
    for found in table["comparisons"]:
        path, latency = found["artifact"]["path"], found["latency"]
        cells = next(re.findall("<td>([^<]*)</td>", cells) for name, cells in rows if name == path)
        for shown in (
            f"{found['artifact']['bytes']:,}", f"{found['artifact']['gzip_bytes']:,}",
            f"{found['value']:.2%}", f"{found['difference_points']:+.2f}",
            f"{found['agreement']:.2%}", f"{latency['median_us']:,.1f}",
            f"{latency['p95_us']:,.1f}",
        ):  # fmt: skip
            assert shown in cells, path
        own = [mark for mark in marks if f", {path}: " in mark["aria-label"]]
        at = [(float(mark["data-x"]), float(mark["data-y"])) for mark in own]
        points = found["difference_points"]
        assert at == [(found["artifact"]["bytes"], points), (latency["median_us"], points)]


@pytest.mark.quick
@pytest.mark.parametrize("outcome", ["passed", "failed", "inconclusive"])
def test_the_verdict_stands_first(outcome: str) -> None:
    page = Page(to_page(replace(REPORT, outcome=outcome, gates=())))
    shown = [text.strip() for text in page.texts if text.strip()]
    assert outcome.upper() in shown[0]
    assert outcome.upper() in shown[4]
    assert ("may be shipped" in shown[4]) == (outcome == "passed")


def hostile_report(text: str) -> Report:
    artifact = replace(COMPARISON.artifact, path=text, notes=(text,))
    layers = tuple(replace(layer, name=text) for layer in artifact.layers)
    tensor = replace(COMPARISON.input, name=text)
    changed = replace(
        COMPARISON, artifact=replace(artifact, layers=layers), input=tensor, output=tensor
    )
    data = replace(REPORT.data, name=text, classes=(text, text), notes=(text,))
    return replace(
        REPORT,
        name=text,
        recipe={**REPORT.recipe, "name": text, "data": {"source": text}, "export": []},
        environment={text: text},
        data=data,
        comparisons=(changed,),
        gates=(Gate("runs", text, 0, None, "failed", text),),
        notes=(text,),
    )


@pytest.mark.quick
@given(HOSTILE_TEXTS)
def test_names_are_shown_as_text(text: str) -> None:
    usual, page = Page(to_page(hostile_report("name"))), Page(to_page(hostile_report(text)))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in usual.elements]
    names = {name for _, attributes in page.elements for name in attributes}
    assert names == {name for _, attributes in usual.elements for name in attributes}
    assert len(page.all_of("script")) == len(page.all_of("style")) == 1
    if text in HOSTILE[:3]:
        assert page.text.count(text) >= 12
    assert not set("\u202e\u200f\u2066") & set(page.text)
    assert len(page.text) < 20_000


@pytest.mark.quick
def test_a_page_loads_nothing_and_runs_its_own_script_alone() -> None:
    text = to_page(REPORT)
    page = Page(text)
    (policy,) = (
        each["content"]
        for each in page.all_of("meta")
        if each.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; img-src data:;")
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.raw[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "http:" not in text
    assert "https:" not in text
    attributes = {name for _, found in page.elements for name in found}
    assert not {name for name in attributes if name.startswith("on")} | {"style"} & attributes


@pytest.mark.quick
def test_missing_parts_are_absent() -> None:
    bare = replace(
        COMPARISON, value=None, baseline_value=None, difference_points=None, agreement=None,
        latency=None, speedup=None, speedup_interval=None, statistics=None,
    )  # fmt: skip
    text = to_page(replace(REPORT, baseline=None, comparisons=(bare,), gates=(), costs=None))
    for absent in ("What changed", "Limits", "Quality and", "another answer", "Device"):
        assert absent not in text


def tile(place: int, image: np.ndarray, file: str = "") -> Tile:
    return Tile(place, image, ("loss: a", "a -> b"), "loss", "a", file)


@pytest.mark.quick
def test_a_gallery_is_read_back_and_shown(tmp_path: Path) -> None:
    image = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    writer = GalleryWriter(2)
    writer.add("int8.tflite", "", [tile(3, image), tile(4, image, "test/a/<4>.png")])
    writer.write(tmp_path)
    assert len(read_gallery(tmp_path).pictures) == 1
    page = Page(to_page(REPORT, tmp_path))
    pictures = page.all_of("img")
    assert [each["src"] for each in pictures] == [
        f"data:image/png;base64,{picture_text(image)}"
    ] * 2
    assert pictures[0]["alt"] == "Test image 3: loss: a, a -> b"
    assert {"int8.tflite, image 3", "int8.tflite, image 4: test/a/<4>.png"} <= set(page.texts)
    assert {each["data-kind"] for each in page.all_of("li") if "data-kind" in each} == {"loss"}
    content = base64.b64decode(picture_text(image))
    (tmp_path / "picture.png").write_bytes(content)
    assert (np.asarray(Image.open(tmp_path / "picture.png")) == image).all()


@pytest.mark.quick
def test_pictures_of_many_files_fit_into_a_page(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    writer = GalleryWriter(6)
    for file in range(6):
        images = random.integers(0, 256, (48, 224, 224, 3), dtype=np.uint8)
        writer.add(f"{file}.tflite", "", [tile(place, each) for place, each in enumerate(images)])
    writer.write(tmp_path)
    gallery = read_gallery(tmp_path)
    assert sum(map(len, gallery.pictures)) <= MOST_BYTES
    assert min(len(each.images) for each in gallery.files) >= 8


@pytest.mark.quick
@pytest.mark.parametrize(
    "damage",
    [
        lambda table: table["pictures"].append('"><script>'),
        lambda table: table["files"][0]["images"][0].update(picture=1),
        lambda table: table["files"][0]["images"][0].update(kind="<b>"),
    ],
)
def test_a_damaged_gallery_is_refused(tmp_path: Path, damage: object) -> None:
    writer = GalleryWriter(1)
    writer.add("int8.tflite", "", [tile(3, np.zeros((8, 8, 1), np.uint8))])
    writer.write(tmp_path)
    path = tmp_path / "gallery.json"
    table = json.loads(path.read_text())
    damage(table)  # type: ignore[operator]
    path.write_text(json.dumps(table))
    assert "is damaged" in refusal_of(lambda: read_gallery(tmp_path))


@pytest.mark.quick
def test_a_picture_of_elsewhere_is_no_part_of_a_page(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    Image.new("L", (8, 8)).save(run / "flips.png")
    Image.new("L", (8, 8)).save(tmp_path / "secret.png")
    for name, count in (("flips.png", 1), ("../secret.png", 0), ("missing.png", 0)):
        report = replace(REPORT, comparisons=(replace(COMPARISON, flips_picture=name),))
        assert len(Page(to_page(report, run)).all_of("img")) == count


def test_the_snippets_run(main_report: Report, output: Path, tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), "teal").save(tmp_path / "photo.jpg")
    shutil.copy(output / "main" / "labels.txt", tmp_path)
    found = snippets(main_report)
    assert [file for file, _, _ in found] == ["int8.tflite", "int8.onnx"]
    text = unescape((output / "main" / "report.html").read_text("utf-8"))
    sums = []
    for file, _, program in found:
        assert program in text
        shutil.copy(output / "main" / file, tmp_path)
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        start, _, rest = done.stdout.partition("[")
        numbers, _, label = rest.partition("]")
        assert (start, label) == (
            "probabilities ",
            f"\n{np.array(numbers.split(), float).argmax()}\n",
        )
        sums.append(np.array(numbers.split(), float))
    assert np.allclose([each.sum() for each in sums], 1, atol=0.05)
    assert np.allclose(*sums, atol=0.1)


@pytest.mark.parametrize("resize", RESIZED)
def test_a_snippet_sees_the_pixels_of_the_run(
    main_report: Report, resize: Resize, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It resized by another filter than the run, which changed answers."""
    pixels = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # The camera lay on its side.
    large = Image.fromarray(pixels).resize((900, 700))
    large.save(tmp_path / "photo.jpg", exif=exif)
    data = {**main_report.recipe["data"], "resize": resize}
    report = replace(main_report, recipe={**main_report.recipe, "data": data})
    (_, _, program), *_ = snippets(report)
    found: dict[str, Any] = {}
    monkeypatch.chdir(tmp_path)
    exec(program.split("\nmodel =")[0], found)
    shape = found["image"].shape[1:]
    wanted, *_ = decode_with_size((tmp_path / "photo.jpg").read_bytes(), shape, resize)
    np.testing.assert_array_equal(found["image"][0], wanted)


@pytest.mark.quick
def test_only_a_page_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_page(to_page(REPORT), path)
    write_page(to_page(replace(REPORT, name="another")), path)
    assert "another" in path.read_text()
    path.write_text("mine")
    assert "is no page of edgecv" in refusal_of(lambda: write_page("", path))
    assert path.read_text() == "mine"
    assert "its folder" in refusal_of(lambda: write_page("", tmp_path / "none" / "page.html"))


@pytest.mark.quick
def test_a_change_shows_its_classes(tmp_path: Path) -> None:
    page = Page(to_page(REPORT))
    assert STATISTICS.classes[0].difference_points == -20
    assert [float(each["width"]) for each in page.all_of("rect")] == [90.0]


@pytest.mark.quick
def test_learning_curves_are_drawn_where_a_run_has_them() -> None:
    epochs = tuple(
        {
            "epoch": n,
            "loss": 3.0 / n,
            "accuracy": 0.2 * n,
            "validation_accuracy": None if n < 2 else 0.1 * n,
        }
        for n in (1, 2, 3)
    )
    trainings = (TrainingCurve("baseline", epochs), TrainingCurve("qat", ()))
    page = Page(to_page(replace(REPORT, trainings=trainings)))
    drawn = [len(each["points"].split()) for each in page.all_of("polyline")]
    assert drawn == [3, 3, 2]
    labels = [each["aria-label"] for each in page.all_of("svg") if "epoch" in each["aria-label"]]
    assert labels == [
        "baseline: loss by epoch; training ends at 1",
        "baseline: accuracy by epoch; training ends at 0.6; validation ends at 0.3",
    ]


@pytest.mark.quick
def test_the_reasons_of_a_failure_stand_in_a_list() -> None:
    gates = tuple(Gate(f"limit-{n}", "int8.tflite", 1, 2, "failed") for n in range(7))
    page = Page(to_page(replace(REPORT, gates=gates)))
    assert page.text.count("int8.tflite: limit-4 2, limit 1") == 2
    assert page.text.count("int8.tflite: limit-6 2, limit 1") == 1
    assert "All 7" in page.text


def test_the_spread_of_times_is_drawn_where_a_report_has_it(main_report: Report) -> None:
    assert "Times of single runs" not in to_page(REPORT)
    latency = main_report.comparisons[0].latency
    assert latency is not None
    low, lower, upper = latency.spread_us
    assert low <= lower <= latency.median_us <= upper <= latency.p95_us
    text = f"float32.tflite {low:.1f} to {latency.p95_us:.1f}, median {latency.median_us:.1f};"
    assert text in to_page(main_report)


@pytest.mark.quick
def test_labels_of_a_plot_cross_neither_marks_nor_intervals_nor_each_other() -> None:
    statistics = COMPARISON.statistics
    files = [
        replace(
            COMPARISON,
            artifact=replace(COMPARISON.artifact, path=f"{name}.tflite", bytes=size),
            is_twin=name == "float32",
            statistics=None if name == "float32" else statistics,
            difference_points=points,
        )
        for name, size, points in (
            ("float32", 2544, 0.0), ("int8", 1006, 0.0), ("float16", 1050, 0.1),
            ("dynamic", 1000, -0.1),
        )
    ]  # fmt: skip
    plot, *_ = plots([replace(REPORT, comparisons=tuple(files))])
    boxes = []
    for mark in plot.marks:
        width = LETTER * len(mark.label)
        start = mark.label_x - width if mark.is_left else mark.label_x
        boxes.append((start, mark.label_y - 12, start + width, mark.label_y + 3))
    drawn = [
        (plot.x.at(each.x) - 2, plot.y.at(high) - 2, plot.x.at(each.x) + 2, plot.y.at(low) + 2)
        for each in plot.marks
        for low, high in (each.interval or (each.y, each.y),)
    ]
    for number, box in enumerate(boxes):
        others = [*boxes[number + 1 :], *drawn]
        assert not _crosses(box, others), (plot.marks[number].label, box, others)


def test_a_report_without_its_data_has_its_programs() -> None:
    recipe = {key: value for key, value in REPORT.recipe.items() if key != "data"}
    assert snippets(replace(REPORT, recipe={**recipe, "export": ()}))
