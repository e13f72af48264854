"""A model file, opened by the runtime of the host."""

from __future__ import annotations

import os
from typing import Any, Callable

import numpy as np

from edgecv.system.isolation.protocol import Frame
from edgecv.system.isolation.timing import interleave, runs_a_block, warm_up

TITLES = {
    "ai_edge_litert": "LiteRT",
    "tflite_runtime": "TFLite Runtime",
    "onnxruntime": "ONNX Runtime",
}
FEWEST_BLOCKS = 10


def load(runtime: str) -> tuple[Any, str]:
    """Return the module of a runtime, and its name with its version."""
    import importlib

    module = importlib.import_module(runtime)
    if runtime != "onnxruntime":
        module = importlib.import_module(f"{runtime}.interpreter")
    from importlib.metadata import version

    return module, f"{TITLES[runtime]} {version(runtime.replace('_', '-'))}"


class HostModel:
    """One file. The frame that opens it has its bytes, its input and the encoding of pixels.

    The encoding is a table: the value of each of 256 pixel values, for each channel.
    """

    def __init__(self, folder: str, kind: str, module: Any, frame: Frame) -> None:
        asked = self._asked = frame.header
        content, table = frame.arrays
        path = os.path.join(folder, "model")
        with open(path, "wb") as file:
            file.write(content.tobytes())
        self._table = table.view(asked["type"]).reshape(256, -1)
        del content
        frame.arrays.clear()
        before = _reset_peak()
        start = _litert if kind == "tflite" else _onnxruntime
        self._feed, self._invoke, self._outputs = start(module, path, asked)
        self.predict(np.zeros((1, *asked["image"]), np.uint8), lambda done: None)
        self.memory_bytes = None if before is None else max(0, _memory("VmHWM:") - before)

    def predict(self, images: Any, heartbeat: Callable[[int], None]) -> Any:
        """Return the bytes of all outputs for uint8 images (N, H, W, C): uint8 (N, bytes)."""
        batch = self._asked["batch"]
        parts = []
        for start in range(0, len(images), batch):
            some = images[start : start + batch]
            self._feed(self._encode(some))
            self._invoke()
            rows = np.concatenate([self._rows(each) for each in self._outputs()], axis=1)
            parts.append(rows[: len(some)])
            heartbeat(start + len(some))
        return np.concatenate(parts)

    def time(self, image: Any, budget_s: float) -> Any:
        """Return timed runs of one image, uint8 (1, H, W, C): nanoseconds, (blocks, runs)."""
        self._feed(self._encode(image))
        median_s = warm_up(self._invoke)
        runs = runs_a_block(median_s, budget_s, FEWEST_BLOCKS, FEWEST_BLOCKS)
        (blocks,) = interleave([self._invoke], [runs], budget_s=budget_s, min_blocks=FEWEST_BLOCKS)
        return blocks

    def _encode(self, images: Any) -> Any:
        missing = self._asked["batch"] - len(images)
        if missing:
            images = np.concatenate([images, np.repeat(images[:1], missing, axis=0)])
        channels, axes = self._asked["channels"], self._asked["axes"]
        planes = [self._table[:, n].take(images[..., c]) for n, c in enumerate(channels)]
        taken = tuple(slice(None) if axis in axes else 0 for axis in "NHWC")
        values = np.stack(planes, axis=-1)[taken]
        own = [axis for axis in "NHWC" if axis in axes]
        return np.ascontiguousarray(values.transpose([own.index(axis) for axis in axes]))

    def _rows(self, values: Any) -> Any:
        """Return an output of one run as bytes, a row an image."""
        if self._asked["axes"].endswith("N") and values.ndim > 1:
            values = np.moveaxis(values, -1, 0)
        rows = np.array(values, order="C").reshape(self._asked["batch"], -1)
        return rows.view(np.uint8)


def _litert(module: Any, path: str, asked: Any) -> Any:
    model = module.Interpreter(model_path=path, num_threads=asked["threads"])
    (taken,) = model.get_input_details()
    if list(taken["shape"]) != asked["shape"]:
        model.resize_tensor_input(taken["index"], asked["shape"])
    model.allocate_tensors()
    places = [each["index"] for each in model.get_output_details()]

    def run_without_state() -> None:
        model.reset_all_variables()
        model.invoke()

    return (
        lambda values: model.set_tensor(taken["index"], values),
        run_without_state if asked["keeps_state"] else model.invoke,
        lambda: [model.get_tensor(place) for place in places],
    )


def _onnxruntime(module: Any, path: str, asked: Any) -> Any:
    options = module.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = asked["threads"], 1
    options.log_severity_level = 3
    session = module.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    taken = session.get_inputs()[0].name
    for each in session.get_outputs():
        binding.bind_output(each.name, "cpu")
    fed: list[Any] = []  # The binding refers to the values: they have to last.

    def feed(values: Any) -> None:
        fed[:] = [module.OrtValue.ortvalue_from_numpy(values)]
        binding.bind_ortvalue_input(taken, fed[0])

    return feed, lambda: session.run_with_iobinding(binding), binding.copy_outputs_to_cpu


def _reset_peak() -> int | None:
    """Let the peak of this process's memory begin anew; return what it takes now, in bytes."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        return _memory("VmRSS:")
    except (OSError, ValueError):
        return None


def _memory(name: str) -> int:
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(name))
