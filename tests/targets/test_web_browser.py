"""A page in headless Chromium: the answers of the file, pictures, and what a visitor sees."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deployed import deployed_file
from devices import NODE_MODULES, needs_browser
from PIL import Image

from edgecv.analysis.options import DeployOptions, deploy
from edgecv.core.plugins import DeployContext
from edgecv.core.report import Report
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.run import run
from edgecv.system.storage import Store
from edgecv.targets.bundle.program.predict import open_image
from edgecv.targets.web import device
from edgecv.targets.web.browser import browser_path

pytestmark = [pytest.mark.device, needs_browser()]
HOSTILE = "<img src=x onerror=alert(1)>"


def web(path: Path, folder: Path, **options: Any) -> Report:
    given = {"paths": (path,), "to": "web", "out": folder, "node_modules": str(NODE_MODULES)}
    return deploy(DeployOptions(**given | options))


@pytest.fixture(scope="module")
def deployed(
    output: Path, main_report: Report, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Report, Path]:
    """Return the report of a page of the int8 file, and its folder."""
    folder = tmp_path_factory.mktemp("web") / "page"
    return web(output / "main", folder, images=8), folder


def test_the_browser_is_a_row_with_the_answers_of_this_machine(
    deployed: tuple[Report, Path],
) -> None:
    report, _ = deployed
    assert report.outcome == "passed"
    there = report.comparisons[-1]
    assert there.artifact.path == "int8.tflite on web"
    assert there.runtime.startswith("LiteRT.js 2.")
    assert "Chromium " in there.runtime
    assert there.latency is not None
    assert there.latency.median_us > 1
    found = report.deployment
    assert found is not None
    assert found.equal_outputs == found.images == 8


def test_onnx_files_run_too(output: Path, main_report: Report, tmp_path: Path) -> None:
    report = web(output / "main", tmp_path / "page", artifact="int8.onnx", images=8)
    found = report.deployment
    assert found is not None
    assert found.runtime.startswith("ONNX Runtime Web 1.")
    assert found.equal_outputs == found.images == 8


def test_a_file_that_does_not_open_there_is_one_sentence(
    deployed: tuple[Report, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(deployed[1], tmp_path / "copy")
    (folder / "model.tflite").write_bytes(b"no model")
    with pytest.raises(device.StepError, match="chromium: the page fails: "):
        evaluated(folder, 'await (await import("/model.js")).Model.open();', tmp_path, monkeypatch)


def evaluated(folder: Path, script: str, scratch: Path, patch: pytest.MonkeyPatch) -> Any:
    """Return what a script gives in a page of the folder's server, as JSON."""
    shutil.copy(device.PAGE / "device.html", scratch)
    (scratch / "device.js").write_text(
        'const say = (name, body) => fetch(name, { method: "POST", body });\n'
        f"try {{ const found = await (async () => {{ {script} }})();\n"
        'await say("ready", ""); await fetch("work"); await say("answer", JSON.stringify(found));\n'
        '} catch (error) { say("failure", String(error)); }\n'
    )
    # A page of the folder in a page of ours.
    html = (scratch / "device.html").read_text()
    (scratch / "device.html").write_text(
        html.replace("connect-src", "frame-src 'self'; connect-src")
    )
    patch.setattr(device, "PAGE", scratch)
    path = browser_path()
    assert path is not None
    context = DeployContext(lambda stage, message: None)
    with device.in_browser(deployed_file("onnx"), folder, path, "a runtime", context) as there:
        return json.loads(there._ask("predict", np.zeros((1, 1), np.uint8), 2**22))


def test_pictures_become_the_pixels_of_pillow(
    deployed: tuple[Report, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(deployed[1], tmp_path / "copy")
    draw, sizes = np.random.default_rng(0), ((37, 23), (23, 61), (8, 8), (32, 32), (90, 32))
    asked, wanted = [], []
    for number, (width, height) in enumerate(sizes):
        path = folder / f"{number}.png"
        Image.fromarray(draw.integers(0, 256, (height, width, 3)).astype(np.uint8)).save(path)
        for resize in ("stretch", "crop", "pad"):
            for channels in (1, 3):
                asked.append([path.name, {"image": [32, 32, channels], "resize": resize}])
                wanted.append(open_image(path, (32, 32), channels, resize).ravel().tolist())
    script = f"""
        const {{ pixelsOf }} = await import("/images.js"), found = [];
        for (const [name, takes] of {json.dumps(asked)}) {{
          const picture = await (await fetch("/" + name)).blob();
          const bitmap = await createImageBitmap(picture, {{ colorSpaceConversion: "none" }});
          found.push([...pixelsOf(bitmap, takes)]);
        }}
        return found;"""
    found = evaluated(folder, script, tmp_path, monkeypatch)
    for place, (mine, pillow) in enumerate(zip(found, wanted, strict=True)):
        assert mine == pillow, asked[place]


def test_a_visitor_sees_golden_answers_latency_and_the_answer_to_a_picture(
    deployed: tuple[Report, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(deployed[1], tmp_path / "copy")
    labels = (folder / "labels.txt").read_text().splitlines()
    (folder / "labels.txt").write_text("".join(f"{HOSTILE}{name}\n" for name in labels))
    golden = folder / "golden" / "03.output0.bin"
    golden.write_bytes(golden.read_bytes()[::-1])
    script = """
        const frame = document.createElement("iframe");
        frame.src = "/index.html";
        document.body.append(frame);
        const wait = () => new Promise((go) => setTimeout(go, 50));
        const until = async (is) => { while (!is()) await wait(); };
        const at = (id) => frame.contentDocument.getElementById(id);
        await until(() => at("measure") && !at("measure").disabled);
        const file = new File([await (await fetch("/golden/00.png")).blob()], "a.png");
        const carried = new frame.contentWindow.DataTransfer();
        carried.items.add(file);
        const dropped = new frame.contentWindow.DragEvent("drop", { dataTransfer: carried });
        at("drop").dispatchEvent(dropped);
        await until(() => !at("result").hidden);
        const named = frame.contentDocument.querySelectorAll("#golden span");
        return {
          summary: at("golden-summary").textContent, latency: at("latency").textContent,
          first: at("answer").firstChild.textContent, title: at("title").textContent,
          answers: [...named].map((each) => each.textContent),
          images: frame.contentDocument.images.length,
        };"""
    found = evaluated(folder, script, tmp_path, monkeypatch)
    assert found["summary"] == (
        "7 of 8 answers are those that were measured, 7 of them to the last bit."
    )
    assert found["answers"][0].startswith(f"✓ {HOSTILE}")
    assert found["answers"][3].startswith("✗ ")
    assert found["first"].startswith(found["answers"][0].removeprefix("✓ "))
    assert (found["images"], found["title"]) == (0, "main")
    assert " ms an image (median of 100; 95% take at most " in found["latency"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("artifact", "io"),
    [
        ("float32.tflite", None),
        ("int8.tflite", None),
        ("int8.tflite", "float32"),
        ("int8.tflite", "int8"),
        ("int8.onnx", None),
    ],
)
def test_450_answers_are_those_of_this_machine(
    output: Path, main_report: Report, tmp_path: Path, artifact: str, io: Any
) -> None:
    folder = output / "main"
    if io is not None:
        options = CompressOptions(data="digits", epochs=3, name=f"io-{io}", io=io, quantize="int8")
        run(options.to_recipe(), Store(output))
        folder = output / f"io-{io}"
    found = web(folder, tmp_path / "page", artifact=artifact).deployment
    assert found is not None
    assert found.same_answers == found.images == 450
    if artifact == "float32.tflite":
        assert found.largest_difference < 1e-5
    else:
        assert found.equal_outputs == 450
