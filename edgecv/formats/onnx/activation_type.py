"""Choice of the 8-bit type of activations, by running the model with each."""

import tempfile
from pathlib import Path

import numpy as np

from edgecv.core.data import Images, Outputs
from edgecv.core.errors import RuntimeFailure
from edgecv.system.isolation import ModelClient

DEFAULT, OTHER = "uint8", "int8"
BUDGET_S = 0.6
CLEARLY_FASTER = 0.95
MOST_BLOCKS = 0.75
CLEARLY_WORSE = 0.02
"""int8 counts as faster if its time is below 0.95 of uint8's in three of four blocks, and a type as
worse if its agreement with float32 is two points lower. Both margins exceed the noise, so that
two exports on one machine give the same bytes."""


def choose(
    contents: dict[str, bytes], reference: bytes, images: Images, where: str
) -> tuple[str, str]:
    """Return the type of activations to use, "uint8" or "int8", and the reason as a sentence.

    ``contents``: the model with each type; ``reference``: the same model in float32; ``images``:
    uint8 (N, H, W, C). uint8 is chosen unless int8 is clearly faster or clearly more accurate.
    Raises RuntimeFailure if ONNX Runtime cannot run the model with uint8.
    """
    with (
        tempfile.TemporaryDirectory(prefix="edgecv-onnx-") as folder,
        ModelClient("onnxruntime", threads=1) as worker,
    ):
        paths = {}
        for name, content in {**contents, "float32": reference}.items():
            paths[name] = Path(folder) / f"{name} of {where}"
            paths[name].write_bytes(content)
        outputs = {name: worker.predict(paths[name], images) for name in ("float32", DEFAULT)}
        try:
            outputs[OTHER] = worker.predict(paths[OTHER], images)
            blocks = worker.time_interleaved(
                [paths[name] for name in contents], images[:1], budget_s=BUDGET_S
            )
        except RuntimeFailure as failure:
            return DEFAULT, f"activations {DEFAULT}: with {OTHER}, {failure.found}"
    agreement = {name: closeness(outputs[name], outputs["float32"]) for name in contents}
    medians = {name: np.median(blocks[paths[name]], axis=1) for name in contents}
    ratio = float(np.quantile(medians[OTHER] / medians[DEFAULT], MOST_BLOCKS))
    chosen = better(ratio, agreement[OTHER] - agreement[DEFAULT])
    facts = {
        name: f"{np.median(medians[name]) / 1000:.0f} us and {agreement[name]:.1%} like float32"
        for name in contents
    }
    other = OTHER if chosen == DEFAULT else DEFAULT
    return chosen, f"activations {chosen}: {facts[chosen]}, against {facts[other]} with {other}"


def better(time_ratio: float, agreement_gain: float) -> str:
    """Return the better type, by int8's time relative to uint8 and its gain in agreement.

    >>> better(0.97, 0.0), better(0.8, 0.0), better(0.8, -0.05), better(2.0, 0.05)
    ('uint8', 'int8', 'uint8', 'int8')
    """
    if agreement_gain > CLEARLY_WORSE:
        return OTHER
    is_faster = time_ratio < CLEARLY_FASTER and agreement_gain >= -CLEARLY_WORSE
    return OTHER if is_faster else DEFAULT


def closeness(outputs: Outputs, reference: Outputs) -> float:
    """Return how near outputs come to a reference: 1 where they are equal.

    For one row of numbers, the fraction of images whose largest number is the same; else the least
    cosine similarity of an output.

    >>> one = Outputs.one(np.array([[0.2, 0.8], [0.9, 0.1]], np.float32))
    >>> closeness(one, Outputs.one(np.array([[0.4, 0.6], [0.3, 0.7]], np.float32)))
    0.5
    """
    pairs = [(mine, reference.arrays[name]) for name, mine in outputs.arrays.items()]
    if len(pairs) == 1 and pairs[0][0].ndim == 2 and pairs[0][0].shape[1] > 1:
        mine, theirs = pairs[0]
        return float(np.mean(mine.argmax(axis=1) == theirs.argmax(axis=1)))
    similarities = []
    for mine, theirs in pairs:
        product = float(np.sum(mine.astype(np.float64) * theirs))
        lengths = float(np.linalg.norm(mine)) * float(np.linalg.norm(theirs))
        similarities.append(product / lengths if lengths else float(np.array_equal(mine, theirs)))
    return min(similarities)
