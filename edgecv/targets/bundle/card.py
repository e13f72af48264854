"""``model.json`` of a bundle: inputs, outputs and task, for a program that reads nothing else."""

import hashlib
from typing import Any

from edgecv.core.artifact import PRECISION_NOT_KNOWN, TensorFacts
from edgecv.core.plugins import DeployedFile, Task
from edgecv.core.preprocessing import affine_of
from edgecv.core.registry import TASKS
from edgecv.formats.tflite.state import keeps_state

FILE = "model"
RUNTIMES = {"tflite": "litert", "onnx": "onnxruntime"}
MEANINGS = {
    "probabilities": "a probability for each name, which add up to 1",
    "sigmoid": "a probability for each name",
}
PIXELS = "bytes of 0..255 as a camera or an image file gives them"


def card(file: DeployedFile, content: bytes) -> dict[str, Any]:
    """Return everything that a program needs to run the file, as plain values.

    ``content``: of the file as it is written, which metadata or other ends may have changed.
    """
    kind, precision = file.artifact.format, file.artifact.precision
    task = TASKS.table(file.task)
    return {
        "format": 1,
        "file": f"{FILE}.{kind}",
        "runtime": RUNTIMES[kind],
        "precision": None if precision == PRECISION_NOT_KNOWN else precision,
        "bytes": len(content),
        "peak_activation_bytes": None if file.peak is None else file.peak.bytes,
        "sha256": hashlib.sha256(content).hexdigest(),
        "keeps_state": kind == "tflite" and keeps_state(file.path.read_bytes(), str(file.path)),
        "task": {"task": file.task.name, "heads": task} if isinstance(task, list) else task,
        "inputs": [_input(file)],
        "outputs": [
            {
                **_tensor(tensor),
                "answer": list(file.facts.answers[number]),
                "meaning": _meaning(file.task, tensor.name),
                "task": _task(file.task, tensor.name).name,
                "names": list(file.names_of(number)),
                "activation": file.activation if number == 0 else None,
                "pixel_classes": file.pixel_classes if number == 0 else None,
            }
            for number, tensor in enumerate(file.facts.outputs)
        ],
    }


def _meaning(task: Task, output: str) -> str:
    """Return what an output says, by the task of its head."""
    task = _task(task, output)
    return MEANINGS.get(task.ending, task.terms.outputs)


def _task(task: Task, output: str) -> Task:
    """Return the task of the head of an output; the whole task where it has no heads."""
    heads = [each.task for each in task.heads() if output in each.output]
    return heads[0] if heads else task


def input_shape(file: DeployedFile) -> list[int]:
    """Return the shape of the input of a run."""
    lengths = dict(zip("NHWC", (max(1, file.facts.batch), *file.facts.image), strict=True))
    return [lengths[axis] for axis in file.facts.axes]


def _input(file: DeployedFile) -> dict[str, Any]:
    facts, channels = file.facts, file.facts.image[2]
    scale, offset, order = affine_of(file.preprocess, channels, str(file.path))
    return {
        **_tensor(facts.input),
        "shape": input_shape(file),
        "axes": facts.axes,
        "batch": max(1, facts.batch),
        "image": list(facts.image),
        "pixels": PIXELS,
        "channels": "grey" if channels == 1 else "".join("RGBA"[place] for place in order),
        "channel_order": order,
        "pixel_scale": scale.tolist(),
        "pixel_offset": offset.tolist(),
        "resize": file.resize,
        "filter": "bilinear",
    }


def _tensor(tensor: TensorFacts) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "type": tensor.type,
        "scale": tensor.scale,
        "zero_point": tensor.zero_point,
    }
