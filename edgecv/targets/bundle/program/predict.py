"""Run the model in this folder: numpy, Pillow, and ai-edge-litert or onnxruntime, nothing else.

    python predict.py photo.jpg ...    the answer for each image
    python predict.py --self-test      the number of golden answers that this machine gives too
    python predict.py --images in.npy --outputs out.npz
                                       arrays: uint8 (N, height, width, channels) of 0..255

In a program of your own: ``from predict import Model``, see README.md.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).resolve().parent
WARM_UP, BLOCKS, RUNS = 10, 10, 10
"""Runs that are not timed, and timed blocks of runs."""
BUDGET_S = 30.0
"""Seconds of all timed runs together: a slow model has fewer."""
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Images of so many channels, as Pillow calls them."""
MOST_SHOWN = 5
NEAR = 0.02
"""Part of an output's range by which numbers may differ and count as the same answer."""
SAME_PIXELS = 0.95
"""Part of the pixels of a map that get the same class where the answer counts as the same."""


class Model:
    """The model of this folder, opened by its runtime."""

    def __init__(self, folder: Path = FOLDER, threads: int = 1) -> None:
        self.folder = folder
        self.card: dict[str, Any] = json.loads((folder / "model.json").read_text("utf-8"))
        self.takes: dict[str, Any] = self.card["inputs"][0]
        self.gives: list[dict[str, Any]] = self.card["outputs"]
        self.labels = (folder / "labels.txt").read_text("utf-8").splitlines()
        start = {"litert": self._litert, "onnxruntime": self._onnxruntime}[self.card["runtime"]]
        self.runtime, self._feed, self._invoke, self._answers = start(threads)

    def _litert(self, threads: int) -> tuple[str, Callable[..., Any], Any, Any]:
        from importlib.metadata import version

        from ai_edge_litert.interpreter import Interpreter

        model = Interpreter(str(self.folder / self.card["file"]), num_threads=threads)
        (given,) = model.get_input_details()
        if list(given["shape"]) != self.takes["shape"]:
            model.resize_tensor_input(given["index"], self.takes["shape"])
        model.allocate_tensors()
        places = [each["index"] for each in model.get_output_details()]

        def invoke() -> None:
            if self.card["keeps_state"]:
                model.reset_all_variables()
            model.invoke()

        return (
            f"LiteRT {version('ai-edge-litert')}",
            lambda values: model.set_tensor(given["index"], values),
            invoke,
            lambda: [model.get_tensor(place) for place in places],
        )

    def _onnxruntime(self, threads: int) -> tuple[str, Callable[..., Any], Any, Any]:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        file = str(self.folder / self.card["file"])
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        fed: dict[str, Any] = {}
        answers: list[Any] = []
        return (
            f"ONNX Runtime {onnxruntime.__version__}",
            lambda values: fed.update({self.takes["name"]: values}),
            lambda: answers.__setitem__(slice(None), session.run(None, fed)),
            lambda: answers,
        )

    def pixels(self, path: Path) -> Any:
        """Return an image file as the model takes it: uint8 (height, width, channels), 0..255."""
        height, width, channels = self.takes["image"]
        return open_image(path, (width, height), channels, self.takes["resize"])

    def encode(self, images: Any) -> Any:
        """Return uint8 images (N, height, width, channels) as the values of the input."""
        takes, kind = self.takes, np.dtype(self.takes["type"])
        planes = []
        for place, scale, offset in zip(
            takes["channel_order"], takes["pixel_scale"], takes["pixel_offset"], strict=True
        ):
            values = np.arange(256) * scale + offset
            if kind.kind != "f":
                limits, zero_point = np.iinfo(kind), takes["zero_point"] or 0
                steps = np.round(values / (takes["scale"] or 1.0)) + zero_point
                values = np.clip(steps, limits.min, limits.max)
            planes.append(values.astype(kind).take(images[..., place]))
        found, axes = np.stack(planes, axis=-1), takes["axes"]
        if "C" not in axes:
            found = found[..., 0]
        if "N" not in axes:
            found = found[0]
        own = [axis for axis in "NHWC" if axis in axes]
        return np.ascontiguousarray(found.transpose([own.index(axis) for axis in axes]))

    def run(self, images: Any) -> list[Any]:
        """Return the outputs for uint8 images (N, height, width, channels), as they are stored."""
        batch = self.takes["batch"]
        found = [np.empty((len(images), *each["answer"]), each["type"]) for each in self.gives]
        for start in range(0, len(images), batch):
            some = images[start : start + batch]
            filled = np.concatenate([some, np.repeat(some[:1], batch - len(some), axis=0)])
            self._feed(self.encode(filled))
            self._invoke()
            for kept, answer in zip(found, self._answers(), strict=True):
                rows = np.moveaxis(answer, -1, 0) if self.takes["axes"].endswith("N") else answer
                kept[start : start + batch] = rows.reshape(batch, *kept.shape[1:])[: len(some)]
        return found

    def reals(self, stored: Sequence[Any]) -> list[Any]:
        """Return the outputs as the numbers that they stand for: float32 (N, ...)."""
        return [
            values.astype(np.float32)
            if each["scale"] is None
            else (values.astype(np.float32) - np.float32(each["zero_point"] or 0))
            * np.float32(each["scale"])
            for values, each in zip(stored, self.gives, strict=True)
        ]

    def time(self, image: Any) -> Any:
        """Return timed runs of one image, uint8 (1, height, width, channels): ns (blocks, runs)."""
        self._feed(self.encode(np.repeat(image, self.takes["batch"], axis=0)))
        started = time.perf_counter()
        self._invoke()
        few = int(BUDGET_S / BLOCKS / (time.perf_counter() - started))
        took = np.empty((BLOCKS, max(1, min(RUNS, few))), np.int64)
        for _ in range(min(WARM_UP, few)):
            self._invoke()
        for block, run in np.ndindex(*took.shape):
            started = time.perf_counter_ns()
            self._invoke()
            took[block, run] = time.perf_counter_ns() - started
        return took

    def choices(self, reals: Any) -> Any:
        """Return what outputs of a known meaning choose: the classes or labels, N in front."""
        kind = self.card["task"]["task"]
        if kind == "multilabel":
            return self.probabilities(reals) >= self.card["task"].get("threshold", 0.5)
        form = self.gives[0]["pixel_classes"]
        if form == "numbers":
            return reals.astype(np.int64)
        if form in ("logit", "probability"):
            return (reals >= (0 if form == "logit" else 0.5)).astype(np.int64)
        if form is not None:
            return reals.argmax(axis=-1 if form == "scores last" else -3)
        return self.probabilities(reals).argmax(axis=-1)

    def probabilities(self, reals: Any) -> Any:
        """Return probabilities, one a class, of the first output."""
        activation, two_classes = self.gives[0]["activation"], reals.shape[-1] == 1
        if activation == "Sigmoid":
            reals = 1 / (1 + np.exp(-reals))
        elif activation == "Softmax":
            powers = np.exp(reals - reals.max(axis=-1, keepdims=True))
            reals = powers / powers.sum(axis=-1, keepdims=True)
        is_one = two_classes and self.card["task"]["task"] != "multilabel"
        return np.concatenate([1 - reals, reals], axis=-1) if is_one else reals

    def describe(self, reals: Sequence[Any]) -> str:
        """Return the answer for one image in a line; ``reals``: of that image, without N."""
        kind, first = self.card["task"]["task"], reals[0]
        if kind == "classification":
            found = self.probabilities(first)
            best = np.argsort(-found, kind="stable")[:MOST_SHOWN]
            return ", ".join(f"{self._label(place)} {found[place]:.1%}" for place in best)
        if kind == "multilabel":
            chosen = np.flatnonzero(self.choices(first))
            found = self.probabilities(first)
            named = [f"{self._label(place)} {found[place]:.1%}" for place in chosen]
            return ", ".join(named) or "nothing"
        if kind == "segmentation":
            classes, pixels = np.unique(self.choices(first), return_counts=True)
            shares = zip(classes.tolist(), pixels / pixels.sum(), strict=True)
            return ", ".join(
                f"{self._label(place)} {share:.1%} of the pixels" for place, share in shares
            )
        if kind == "regression":
            return ", ".join(f"{self._label(n)} {each:.4g}" for n, each in enumerate(first.ravel()))
        return "; ".join(map(described, self.gives, reals))

    def _label(self, place: Any) -> str:
        return self.labels[place] if place < len(self.labels) else str(place)

    def same_answers(self, stored: Sequence[Any], golden: Sequence[Any]) -> Any:
        """Return True for each image whose answer is the golden one: bool (N,)."""
        found, wanted = self.reals(stored), self.reals(golden)
        if self.card["task"]["task"] in ("classification", "multilabel", "segmentation"):
            equal = self.choices(found[0]) == self.choices(wanted[0])
            return equal.reshape(len(equal), -1).mean(axis=1) >= (
                SAME_PIXELS if self.card["task"]["task"] == "segmentation" else 1
            )
        near = np.ones(len(found[0]), bool)
        for mine, true, card in zip(found, wanted, self.gives, strict=True):
            room = max(NEAR * float(np.ptp(true)), 1.5 * (card["scale"] or 0), 1e-6)
            far = np.abs(mine - true).reshape(len(mine), -1).max(axis=1)
            near &= far <= room
        return near


def described(gives: dict[str, Any], values: Any) -> str:
    """Return one of several outputs for one image: its likeliest class, or its numbers."""
    names, text = gives["names"], f"{gives['name']} {list(values.shape)}"
    if gives["task"] == "classification" and values.size == len(names) > 1:
        best = int(values.argmax())
        score = values.ravel()[best]
        is_share = values.min() >= 0 and values.max() <= 1
        return f"{text}: {names[best]} {score:.1%}" if is_share else f"{text}: {names[best]}"
    if values.size == 1:
        return f"{text}: {values.item():.4g}"
    return f"{text}: {values.min():.4g} to {values.max():.4g}"


def open_image(path: Path, size: tuple[int, int], channels: int, resize: str) -> Any:
    """Return an image file, turned upright and fitted: uint8 (height, width, channels)."""
    from PIL import Image, ImageOps

    with Image.open(path) as opened:
        enough = 2 * max(size)
        if min(opened.size) > enough:
            opened.draft(None, (enough, enough))  # A large JPEG is decoded at a fraction of it.
        image = ImageOps.exif_transpose(opened)
        if image.mode == "I" or image.mode.startswith("I;16"):
            grey = (np.asarray(image).astype(np.int64) + 128) // 257
            image = Image.fromarray(grey.astype(np.uint8))
        if image.has_transparency_data and channels in (1, 3):
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image.convert("RGBA"))
        image = image.convert(MODES[channels])
        if image.size != size and resize == "stretch":
            image = image.resize(size, Image.Resampling.BILINEAR)
        elif image.size != size:
            act = ImageOps.fit if resize == "crop" else ImageOps.pad
            image = act(image, size, Image.Resampling.BILINEAR)
        return np.asarray(image).reshape(size[1], size[0], channels)


def self_test(model: Model) -> int:
    """Run the golden images and say how many answers agree; return the exit code."""
    names = sorted((model.folder / "golden").glob("*.png"))
    images = np.stack([model.pixels(name) for name in names])
    golden = [
        np.stack(
            [
                np.fromfile(name.with_suffix(f".output{n}.bin"), each["type"]).reshape(
                    each["answer"]
                )
                for name in names
            ]
        )
        for n, each in enumerate(model.gives)
    ]
    found = model.run(images)
    same = model.same_answers(found, golden)
    equal = np.ones(len(names), bool)
    for mine, true in zip(found, golden, strict=True):
        equal &= (mine == true).reshape(len(names), -1).all(axis=1)
    print(
        f"{same.sum()} of {len(names)} golden answers agree, {equal.sum()} of them byte for byte"
        f" ({model.runtime})"
    )
    for name in [name for name, agrees in zip(names, same, strict=True) if not agrees]:
        print(f"another answer for golden/{name.name}")
    return 0 if same.all() else 1


def peak_memory() -> int:
    """Return the most bytes of memory that this process had, 0 where the system does not say.

    Linux counts in ``getrusage`` what the program that started this one had.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    try:
        import resource
    except ImportError:  # Windows has none.
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> int:
    """Do what the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", nargs="*", type=Path, metavar="IMAGE")
    parser.add_argument("--self-test", action="store_true", help="run the golden images")
    parser.add_argument("--images", type=Path, help=".npy: uint8 (N, height, width, channels)")
    parser.add_argument("--outputs", type=Path, help=".npz for the outputs of --images")
    parser.add_argument("--time", action="store_true", help="time the first of --images too")
    parser.add_argument("--threads", type=int, default=1, help="threads of the runtime")
    asked = parser.parse_args()
    if (asked.images is None) != (asked.outputs is None):
        parser.error("--images and --outputs go together")
    model = Model(threads=asked.threads)
    if asked.images is not None:
        images = np.load(asked.images, allow_pickle=False)
        found = {f"output{n}": each for n, each in enumerate(model.run(images))}
        if asked.time:
            found["nanoseconds"] = model.time(images[:1])
        np.savez(asked.outputs, runtime=model.runtime, memory_bytes=peak_memory(), **found)
        return 0
    if asked.self_test:
        return self_test(model)
    if not asked.photos:
        parser.error("give images, or --self-test")
    failed = False
    for path in asked.photos:
        try:
            pixels = model.pixels(path)
        except (OSError, ValueError) as error:
            print(f"{path}: is no image that can be read: {error}", file=sys.stderr)
            failed = True
            continue
        reals = model.reals(model.run(pixels[np.newaxis]))
        print(f"{path}: {model.describe([each[0] for each in reals])}")
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
