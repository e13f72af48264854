"""Wrong input of every command: one line with place and remedy, exit 2, nothing written.

All of it is refused before TensorFlow is imported. Each row is a command line and the words that
its answer must hold: where, what was found, what is accepted or what to do.
"""

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import edgecv

RECIPE = """
name = "plan"
[data]
source = "digits"
[[export]]
format = "tflite"
precision = "int8"
"""

WRONG = """
frob | No such command
quantize | No such command | did you mean "compress"
comprss | No such command | did you mean "compress"
evaluate | No such command | did you mean "validate"
--verson | --version
list more | unexpected extra argument | more
report nothing | holds no manifest.json | accepted: a run
card nothing | holds no manifest.json | accepted: a run
compare nothing | two or more | edgecv report
compare nothing notes.txt | holds no manifest.json
log nothing --to csv | holds no manifest.json | accepted: a run
log nothing --to nolog | --to: unknown log "nolog" | tensorboard
schema more | unexpected extra argument | more

compress a.keras b.keras | unexpected extra argument | b.keras
compress --quantise int8 | No such option | --quantize
compress D --batch-size 8 | --batch-size: No such option | did you mean "--batch"
compress D --bits 8 | --bits: No such option | did you mean "--quantize"
compress D --sparsity 0.5 | --sparsity: No such option | did you mean "--prune"
compress D --calibrate 9 | --calibrate: No such option | did you mean "--calibration-images"
compress --dataset digits | --dataset: No such option | did you mean "--data"
compress D --input m.keras | --input: No such option | edgecv compress FILE
compress D --output-dir out | --output-dir: No such option | did you mean "--output"
compress D --max-drpo 1 | --max-drpo: No such option | did you mean "--max-drop"
compress D --zebra | --zebra: No such option | see edgecv compress --help
compress --quantize int4 | --quantize: "int4" is not known | int16x8
compress --quantize int9 | --quantize | did you mean "int8"
compress --quantize float32 | --quantize | say "none"
compress --quantize float16 | onnx files cannot be written so | --format tflite
compress --quantize '' | --quantize: is empty | leave it out
compress D --io int16 | --io | 'int16' | 'uint8', 'int8' or 'float32'
compress D --io int8 --quantize none | --io: is for int8 files | --quantize none is asked for
compress D --io int8 --quantize float16 --format tflite | --io: is for int8 files | float16
compress D --format tflight | --format: unknown format "tflight" | did you mean "tflite"
compress D --format '' | --format: is empty
compress D --architecture resnet9 | --architecture | "resnet9" | cifar_cnn | did you mean "resnet8"
compress D --schedule fast | --schedule | 'fast' | quick, default, reference
compress D --minutes 0 | --minutes | 0 | greater than 0
compress D --minutes 3 --epochs 4 | --epochs: cannot be given beside --minutes
compress empty.keras --data classes --minutes 3 | --minutes | cannot be given beside MODEL
compress D --epochs many | --epochs: "many"; accepted: a whole number
compress D --epochs 0 | --epochs | 0 | greater than or equal to 1
compress D --seed -1 | --seed | -1 | greater than or equal to 0
compress D --threads 0 | --threads | 0 | greater than or equal to 1
compress D --threads 9999 | --threads | 9999 | less than or equal to 256
compress D --name ../up | --name: '../up' | letters, digits
compress D --name baselines | --name: "baselines" is taken | another name
compress D --name '' | --name: is empty
compress D --name mine | exported/mine: exists already | --force
compress D --name mine --force | exported/mine: is not a run of edgecv | --name
compress D --output '' | --output: is empty
compress D --output notes.txt | notes.txt is not a folder | --output

compress --data digit | --data: "digit" is neither | did you mean "digits"
compress --data cifar-10 | --data: "cifar-10" | cifar10
compress --data '' | --data: is empty
compress --data no/such/folder | --data: "no/such/folder" is neither a data set nor a file | digits
compress --data model.pt | --data model.pt: no data set can be read from it | .npz
compress --data nothing | --data nothing: neither train/ nor test/ is in it | train/<class>/
compress --data trainonly | --data trainonly: there is train/ but no test/ | test/<class>/
compress --data testonly | --data: there are test images alone | train/ too, or give a MODEL
compress empty.keras --data classes --task detection --dry-run | has no boxes for the task detection
compress D --task regression --dry-run | --data: has no numbers for the task regression | class
compress --data trainonly --quantize none --dry-run | trainonly: there is train/ but no test/
compress empty.keras --data testonly | ranges of integers are found on training | float16 or dynamic
compress --data pile | --data: unlabelled images have no labels | give a MODEL
compress empty.keras --data pile --prune 0.5 | "prune" cannot train on them | quantization after
compress empty.keras --data pile --max-drop 1 | max_drop_points cannot be judged | under test/
compress D --skip-bad-images | --skip-bad-images: digits holds no image files | leave it out

compress D --calibration-images 0 | --calibration-images | 0 | greater than or equal to 1
compress D --calibration-images 5000 | --calibration-images: 5000 asked for | up to 202 with digits
compress D --calibration-images 203 --dry-run | 203 asked for | up to 202 with digits
compress --calibration-images 1001 --dry-run | 1001 asked for | up to 1000 with cifar10
compress --data classes --calibration-images 9 --dry-run | 9 asked for | up to 6 with images
compress empty.keras --data pile --calibration-images 9 --dry-run | 9 asked for | up to 2
compress --recipe plan.toml --calibration-images 5000 --dry-run | 5000 asked for | up to 202
compress --recipe many.toml --dry-run | many.toml, calibration_images: 400 asked for | up to 202
compress D --calibration-images 9 --quantize float16 --format tflite | needs no calibration images

compress D --control maybe | --control | 'maybe' | 'on' or 'off'
compress D --prune 1.5 | --prune | 1.5 | less than 1
compress D --prune nan | --prune | nan | less than 1
compress D --prune 0 | --prune: "0" | greater than 0
compress D --prune 50 | --prune: "50" | 0.5 or 50%
compress D --shrink 150% | --shrink: "150%" is no fraction
compress D --epochs 2.5 | --epochs: "2.5"; accepted: a whole number; see edgecv compress --help
compress D --prune half | --prune: "half" | a fraction such as 0.5
compress D --prune 3:4 | --prune | '3:4' | '2:4'
compress D --cluster 1 | --cluster | 1 | greater than or equal to 2
compress D --cluster 0 | --cluster | 0 | greater than or equal to 2
compress D --cluster few | --cluster: "few"; accepted: a whole number
compress D --qat --quantize none | --quantize: "qat" makes a model for int8 | leave "qat" out
compress D --shrink half | --shrink: "half" is no target | 0.5, 1.2Mmacs, 30kparams, 35KB
compress D --shrink '35 bananas' | --shrink: "35 bananas" is no target | 35KB
compress D --shrink , | --shrink: "" is no target | 35KB
compress D --shrink nan | --shrink: "nan" is no target | 35KB
compress D --shrink 0 | --shrink: "0" has no unit, and is no fraction | 0.5, 1.2Mmacs
compress D --shrink 1.5 | --shrink: "1.5" has no unit, and is no fraction | 35KB
compress D --shrink 1.0 | --shrink: "1.0" has no unit, and is no fraction
compress D --shrink 0x | --shrink: "0x" is not faster | more than 1x, such as 6x
compress D --shrink 0.5x | --shrink: "0.5x" is not faster | more than 1x
compress D --shrink 0KB | --shrink: "0KB" leaves nothing | more than 0
compress D --shrink 0us | --shrink: "0us" leaves nothing | more than 0
compress D --shrink 35KB,20KB | --shrink: "35KB,20KB" gives int8_bytes twice | keep one
compress D --shrink 35KB --quantize none | --shrink | of an int8 tflite file

compress D --trust-model | --trust-model: goes with a MODEL | leave --trust-model out
compress D --custom-objects a:B | --custom-objects: goes with a MODEL | leave --custom-objects out
compress D --preprocess 0..1 | --preprocess: goes with a MODEL
compress D --labels twice.txt | --labels: goes with a MODEL
compress empty.keras D --preprocess imagnet | "imagnet" | did you mean "imagenet"
compress empty.keras D --labels none.txt | --labels: none.txt cannot be read
compress empty.keras D --labels twice.txt | --labels | "cat" is empty or stands there twice
compress empty.keras D --custom-objects Gain | --custom-objects: "Gain" | module:name
compress empty.keras D --architecture resnet8 | --architecture: cannot be given beside MODEL
compress missing.keras D | MODEL: there is no file missing.keras
compress notes.tx D | MODEL: there is no file notes.tx | did you mean "notes.txt"
compress missing.keras D --dry-run | MODEL: there is no file missing.keras
compress model.pt D | model.pt | .keras

compress --recipe missing.toml | missing.toml: cannot be read
compress --recipe notes.txt | notes.txt: is not TOML
compress --recipe plan.toml --epochs 3 | --epochs: cannot be given beside --recipe | leave out
compress --recipe plan.toml --quantize int8 | --quantize: cannot be given beside --recipe
compress --recipe plan.toml --distil | --distil: cannot be given beside --recipe
compress --recipe plan.toml --shrink 0.5 | --shrink: cannot be given beside --recipe
compress --recipe plan.toml --trust-model | --trust-model: goes with a MODEL
compress --recipe plan.toml --skip-bad-images | --skip-bad-images: goes with --data

compress D --max-drop much | --max-drop: "much" | points from 0 to 100, such as 0.5
compress D --max-drop nan | --max-drop: "nan" | points from 0 to 100, such as 0.5
compress D --max-drop inf | --max-drop: "inf" | points from 0 to 100, such as 0.5
compress D --max-drop -0.5 | --max-drop: "-0.5" | points from 0 to 100
compress D --drop-on bound | --drop-on: goes with --max-drop | give --max-drop too
compress D --max-drop 1 --drop-on mean | --drop-on: "mean" | point or bound
compress D --min-agreement 98 | --min-agreement: "98" | 0.98 or 98%
compress D --min-agreement 198% | --min-agreement: "198%" | 0.98 or 98%
compress D --min-agreement most | --min-agreement: "most" | 0.98 or 98%
compress D --max-flips 1.5 | --max-flips: "1.5" | a number of images, or 0.01 or 1% of them
compress D --max-flips -3 | --max-flips: "-3" | a number of images
compress D --max-class-drop -1 | --max-class-drop: "-1" | points from 0 to 100
compress D --max-class-drop nan | --max-class-drop: "nan" | points from 0 to 100
compress D --max-size 35 | --max-size: "35" | 35KB or 1.2MB
compress D --max-size 0KB | --max-size: "0KB" | 35KB or 1.2MB
compress D --max-gzip 35us | --max-gzip: "35us" | 35KB or 1.2MB
compress D --min-speedup 0x | --min-speedup: "0x" | 2 or 2x
compress D --max-latency 50 | --max-latency: "50" | 50us or 1.5ms
compress D --max-latency '' | --max-latency: is empty

train --data digits --schedule best | --schedule | 'best' | quick, default, reference
train --data digits --architecture resnet9 | --architecture | did you mean "resnet8"
train --data digits --epochs 0 | --epochs | greater than or equal to 1
train --data pile | --data: unlabelled images have no labels | nothing can be trained
train --data testonly | --data: there are test images alone | nothing can be trained
train --recipe missing.toml | missing.toml: cannot be read
train --recipe plan.toml --architecture resnet8 | --architecture: cannot be given beside --recipe

validate | Missing argument
validate missing.tflite | there is no missing.tflite
validate model.pt D | model.pt: has the ending ".pt" | .tflite, .onnx
validate model.pt model.pt D | model.pt is given twice | once
validate empty.tflite | --data: is needed for single files | digits, noise, scenes
validate empty.tflite --data digit | --data: "digit" | did you mean "digits"
validate empty.tflite D --baseline none.keras | --baseline: there is no none.keras
validate empty.tflite D --threads 0 | --threads | 0 | greater than or equal to 1
validate empty.tflite D --max-drop nan | --max-drop: "nan" | points from 0 to 100
validate empty.tflite D --drop-on bound | --drop-on: goes with --max-drop
validate empty.tflite D --max-size 35 | --max-size: "35" | 35KB or 1.2MB
validate empty.tflite D --min-agreement 98 | --min-agreement: "98" | 0.98 or 98%
validate empty.tflite D --preprocess 0..2 | --preprocess: unknown preprocessing "0..2" | imagenet
validate empty.tflite D --layout chw | --layout: "chw" | nchw, nhwc
validate empty.tflite D --input-size 64 | --input-size: "64" | HEIGHTxWIDTH
validate empty.tflite D --labels none.txt | --labels: none.txt cannot be read
validate empty.tflite D --custom-objects Gain | --custom-objects: "Gain" | module:name
validate empty.tflite --skip-bad-images | --skip-bad-images: goes with --data | leave it out
validate nothing | nothing: holds no manifest.json | a run
validate exported/changed | exported/changed | SHA-256 differs

bench | Missing argument
bench missing.tflite | FILE: there is no file missing.tflite
bench nothing | FILE: nothing is a folder
bench model.pt | model.pt: has the ending ".pt" | .tflite, .onnx
bench empty.tflite empty.tflite | FILE: empty.tflite is given twice
bench empty.tflite --threads 0 | --threads: 0 | greater than or equal to 1
bench empty.tflite --batch 0 | --batch: 0 | greater than or equal to 1
bench empty.tflite --batch-size 8 | --batch-size: No such option | did you mean "--batch"
bench empty.tflite --budget nan | --budget: nan | less than or equal to 3600

doctor | Missing argument
doctor missing.tflite | missing.tflite: there is no such file
doctor model.pt | model.pt: has the ending ".pt" | .tflite, .onnx
doctor nothing | nothing | .tflite, .onnx
doctor empty.tflite | empty.tflite: is not a model: it is empty
doctor empty.tflite --baseline empty.tflite | --baseline: needs images | --data
doctor empty.tflite --beside empty.tflite | --beside: needs images | --data
doctor empty.tflite --kernels xnnpak | --kernels | 'xnnpak' | 'xnnpack', 'builtin' or 'reference'
doctor empty.onnx --kernels builtin | --kernels: is of .tflite files | leave it out

gate | Missing argument
gate exported/nothing | exported/nothing: is not a run folder
gate nothing | edgecv.lock: there is none | edgecv gate RUN --update --against edgecv.lock
gate nothing --against my.lock | my.lock: there is none | edgecv gate RUN --update --against my.lock
gate nothing --junit nowhere/j.xml | --junit: there is no folder nowhere
gate nothing --against nothing/a.lock | --against: nothing/a.lock is in the run | another folder
gate nothing --markdown x.md --junit x.md | --markdown: x.md is the file of --junit too
gate nothing --threads few | --threads: "few"; accepted: a whole number

pack | Missing argument
pack missing.tflite | missing.tflite: there is no such file | .onnx
pack empty.tflite | empty.tflite: is not a model: it is empty
pack empty.tflite --keep | --keep: No such option | did you mean

inspect | Missing argument
inspect missing.tflite | missing.tflite: there is no such file | .onnx
inspect nothing | nothing: is a folder | give a file
inspect empty.tflite | empty.tflite: is not a model: it is empty | .onnx

deploy exported/mine | --to: is needed: where to | bundle
deploy exported/mine --to bundel | --to: unknown target "bundel" | did you mean "bundle"
deploy exported/mine --to bundle:x | --to: bundle has no address | leave :x out
deploy exported/mine --to bundle --profile nrf5304-dk | there is no profile | "nrf5340-dk"
deploy exported/mine --to bundle --out nothing | nothing: is there already | --force
deploy exported/mine --to bundle --out nothing --force | no deployment of edgecv | remove
deploy exported/changed --to bundle | report.json: is not the file that the run wrote
deploy exported/mine --to bundle | exported/mine | a run or baseline that edgecv wrote
deploy exported/mine exported/changed --to bundle | RUN: 2 are given | one run, or one file
deploy no.tflite --to bundle | there is no no.tflite
deploy empty.tflite --to bundle | empty.tflite: is empty | a .tflite file
deploy empty.keras --to bundle D | empty.keras: is no file for a device | .tflite, .onnx
deploy empty.tflite --to bundle --artifact int8.tflite D | --artifact: is for the folder of a run
predict empty.keras pile/0.png | empty.keras: is no file for a device | .tflite, .onnx
predict no.tflite pile/0.png | no.tflite: there is no such file
predict empty.tflite pile/0.png --task klass | unknown task "klass" | classification
deploy nothing --diff | --diff: 1 bundle is given | two bundles: --diff OLD NEW
deploy nothing empty.tflite --diff | empty.tflite: is no bundle | a folder or .zip
deploy nothing pile --diff | nothing/model.json: cannot be read | a folder or .zip

verify | Missing argument
verify missing | missing: there is no such folder | the folder of a run
verify notes.txt | notes.txt: is not a folder | the folder of a run
verify nothing | nothing: holds no manifest.json | a run
verify exported/changed | exported/changed | SHA-256 differs

sign exported/changed | Missing option '--key'
sign nothing --key none.pem | nothing: holds no manifest.json | a run
sign exported/changed --key none.pem | exported/changed | SHA-256 differs

search D --trials 0 | --trials | greater than or equal to 1
search D --sampler grid | --sampler | 'tpe' or 'nsga2'
search D --minutes -1 | --minutes | greater than 0
search --data nowhere | --data: "nowhere"
search missing.keras D | MODEL: there is no file missing.keras
table | Missing argument
table missing.toml | missing.toml: cannot be read
table nothing | nothing: is a folder | a file of TOML
table plan.toml --data digit | --data: "digit" | did you mean "digits"
table plan.toml --html notes.txt | notes.txt: is there already | --html another FILE
table plan.toml --html none/page.html | its folder is not there | make the folder
table many.toml | many.toml, calibration_images: 400 asked for | up to 202
"""
ROWS = [[cell.strip() for cell in line.split(" | ")] for line in WRONG.splitlines() if line.strip()]


def save_image(path: Path, grey: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), grey).save(path)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a working folder with a store, and things that are not what commands ask for."""
    from edgecv.system.storage import Store

    folder = tmp_path_factory.mktemp("here")
    (folder / "nothing").mkdir()
    (folder / "notes.txt").write_text("not a recipe")
    (folder / "twice.txt").write_text("cat\ncat\n")
    (folder / "plan.toml").write_text(RECIPE)
    (folder / "many.toml").write_text(RECIPE + "calibration_images = 400\n")
    (folder / "model.pt").write_bytes(b"PK")
    for name in ("empty.tflite", "empty.onnx", "empty.keras"):
        (folder / name).touch()
    (folder / "trainonly" / "train").mkdir(parents=True)
    for number in range(7):
        save_image(folder / "pile" / f"{number}.png", number)
        for name in ("cat", "dog"):
            shade = 100 * (name == "dog") + number
            save_image(folder / "testonly" / "test" / name / f"{number}.png", shade)
            save_image(folder / "classes" / "test" / name / f"{number}.png", shade)
            for more in range(3):
                path = folder / "classes" / "train" / name / f"{number}-{more}.png"
                save_image(path, shade + 20 * (more + 1))
    store = Store(folder / "exported")
    (folder / "exported" / "mine").mkdir(parents=True)
    (folder / "exported" / "mine" / "thesis.txt").write_text("precious")
    with store.writing(store.run_folder("changed"), replace=False) as draft:
        (draft / "report.json").write_text("{}")
    (folder / "exported" / "changed" / "report.json").write_text("[]")
    return folder


class Refused:
    """Fails an import: it would take seconds."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name in ("tensorflow", "tf_keras", "keras", "onnx", "onnxruntime"):
            raise AssertionError(f"{name} is imported to refuse wrong input")


@pytest.fixture
def elsewhere(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in the folder, with cache and temporary files in another that is returned."""
    monkeypatch.chdir(here)
    monkeypatch.setenv("EDGECV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("tensorflow", "tf_keras", "keras", "onnx", "onnxruntime"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Refused(), *sys.meta_path])
    return tmp_path


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def words_of(command: str) -> list[str]:
    return shlex.split(command.replace(" D", " --data digits"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_wrong_input_is_one_line_and_nothing_is_written(
    row: list[str],
    here: Path,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from edgecv.cli import run

    before = contents(here)
    command, *words = row
    monkeypatch.setattr(sys, "argv", ["edgecv", *words_of(command)])
    # The streams of a process: a screen points them at its log while it works.
    with open(1, "w", closefd=False) as first, open(2, "w", closefd=False) as second:
        monkeypatch.setattr(sys, "stdout", first)
        monkeypatch.setattr(sys, "stderr", second)
        code = run()
    out, error = capfd.readouterr()
    assert code == 2, error
    assert out == ""
    assert error.startswith("edgecv: ")
    assert error.count("\n") == 1, error
    for each in words:
        assert each in error
    assert contents(here) == before
    assert contents(elsewhere) == {}


def test_the_table_speaks_of_every_command() -> None:
    from edgecv.cli import COMMANDS

    assert {row[0].split()[0] for row in ROWS} >= set(COMMANDS)


def test_a_process_of_its_own_says_the_same(here: Path) -> None:
    program = (
        "import sys; from edgecv.__main__ import main\n"
        "code = main()\n"
        "print('tensorflow' in sys.modules); sys.exit(code)"
    )
    command = [sys.executable, "-c", program, "compress", "--data", "digits", "--prune", "1.5"]
    before = contents(here)
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stdout == "False\n"
    accepted = "a fraction such as 0.5 or 50%, greater than 0 and less than 1, or 2:4"
    assert done.stderr == f'edgecv: --prune: "1.5"; accepted: {accepted}\n'
    assert contents(here) == before


@pytest.mark.parametrize(
    "field", ["model", "quantize", "data", "name", "recipe", "schedule", "max_size", "formats"]
)
def test_an_empty_option_in_python_is_named_too(field: str) -> None:
    with pytest.raises(edgecv.InputError, match=f"{field}: is empty"):
        edgecv.compress(**{field: ""})  # type: ignore[arg-type]


def test_what_can_calibrate_is_told_as_it_is_after_reading(here: Path) -> None:
    from edgecv.datasets.resolve import resolve

    for name in ("digits", str(here / "classes"), str(here / "pile")):
        source = resolve(name)
        data = source.load((8, 8, 1), 0, lambda done, total: None)
        assert source.most_calibration_images() == len(data.calibration)
