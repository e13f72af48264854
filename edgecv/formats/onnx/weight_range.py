"""Range of the weights of int8 kernels: 8 bits, or 7 where sums of products saturate.

On x86 without VNNI, ONNX Runtime adds two products of uint8 and int8 in 16 bits, which hold
255 * 64 twice, not 255 * 127: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
("When and why do I need to try U8U8?").
"""

import platform
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgecv.core.data import Images, Outputs
from edgecv.system.cpu import instructions
from edgecv.system.isolation import ModelClient

WeightRange = Literal["full", "reduced"]
REDUCED_CODE = 64
"""The largest size of a code of 7 bits."""
SATURATES = "sums of products saturate on this processor, which has no VNNI"
VNNI = {"avx_vnni", "avx512_vnni"}


def may_saturate() -> bool:
    """Return True if sums of two products of uint8 and int8 may saturate on this processor."""
    return platform.machine().lower() in ("x86_64", "amd64") and not VNNI & instructions()


def in_range(options: list[dict[str, Any]], weights: WeightRange) -> list[dict[str, Any]]:
    """Return the quantizer's options for a kernel in a range: trained scales are twice as large."""
    if weights == "full":
        return options
    return [
        {**each, "scale": each["scale"] * np.float32(2)}
        if "scale" in each
        else {**each, "reduce_range": True}
        for each in options
    ]


def better_range(
    contents: dict[WeightRange, bytes], reference: bytes, images: Images, where: str
) -> tuple[WeightRange, str]:
    """Return the range whose answers are nearer to float32 on this processor, and a sentence.

    ``contents``: the model with each range; ``reference``: the same model in float32; ``images``:
    uint8 (N, H, W, C). Raises RuntimeFailure if ONNX Runtime cannot run one of them.
    """
    outputs = dict[str, Outputs]()
    with (
        tempfile.TemporaryDirectory(prefix="edgecv-onnx-") as folder,
        ModelClient("onnxruntime", threads=1) as worker,
    ):
        for name, content in (*contents.items(), ("float32", reference)):
            path = Path(folder) / f"{name} of {where}"
            path.write_bytes(content)
            outputs[name] = worker.predict(path, images)
    full, reduced = (difference(outputs[each], outputs["float32"]) for each in ("full", "reduced"))
    figures = f"{reduced:.1%} of the outputs with 7 bits, {full:.1%} with 8"
    why = f"{SATURATES}: mean difference from float32 {figures}"
    if reduced < full:
        same = "whose answers are the same on every processor, as with 8"
        return "reduced", f"weights of 7 bits, {same} {why}"
    return "full", f"weights of 8 bits, though {why}"


def difference(outputs: Outputs, reference: Outputs) -> float:
    """Return the mean difference of outputs from a reference, as a part of its mean size.

    Of several outputs that of the worst.

    >>> one = Outputs.one(np.array([[0.25, 0.75]], np.float32))
    >>> difference(one, Outputs.one(np.array([[0.5, 0.5]], np.float32)))
    0.5
    """
    found = []
    for name, mine in outputs.arrays.items():
        true = reference.arrays[name].astype(np.float64)
        size = float(np.mean(np.abs(true)))
        found.append(float(np.mean(np.abs(mine - true))) / size if size else float(np.any(mine)))
    return max(found)
