"""The faults of the table: each several times over, so that no lucky case is a proof."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType

import onnx_faults
import tflite_faults

MODULES: dict[str, ModuleType] = {"tflite": tflite_faults, "onnx": onnx_faults}


@dataclass(frozen=True)
class Planted:
    """A fault, what the verdict has to say of it, and how to plant it in an int8 file."""

    fault: str
    variant: str
    gate: str
    words: str
    plant: Callable[[bytes], bytes]

    @property
    def stem(self) -> str:
        return f"{self.fault}-{self.variant}".replace(" ", "-").replace(".", "_")


def planted(
    file_format: str, classes: tuple[str, ...], layers: int, first: int = 0
) -> Iterator[Planted]:
    """Give every fault that is an edit of an int8 file of a sequential network.

    ``first``: its first layer of its own; 1 where one for the rescaling of pixels stands in front.
    """
    module = MODULES[file_format]

    def fault(kind: str, variant: str, gate: str, words: str, make: str, *given: object) -> Planted:
        return Planted(
            kind, variant, gate, words, lambda content: getattr(module, make)(content, *given)
        )

    for one, other in ((0, 1), (2, 7), (3, 5)):
        names = f"{classes[one]} and {classes[other]} are swapped"
        yield fault(
            "outputs swapped",
            f"{one} {other}",
            "weights",
            names,
            "swapped_outputs",
            one,
            other,
        )
    for layer, channel in ((first, 3), (first + 1, 7), (layers - 1, 2)):
        for factor in (1.1, 0.9):
            yield fault(
                "channel scale",
                f"layer {layer} channel {channel} x{factor}",
                "weights",
                f"{factor:.2f} times what it should be",
                "wrong_scale",
                layer,
                channel,
                factor,
            )
    for channels, words in (
        (slice(None), "the scale of all weights of .* is 1.10 times"),
        ([1, 4], "the scales of channels 1 and 4 of .* are 1.10 times"),
    ):
        name = "all" if isinstance(channels, slice) else "1 and 4"
        variant = f"layer 1 channels {name} x1.1"
        yield fault("channel scale", variant, "weights", words, "wrong_scale", 1, channels, 1.1)
    words = "3 of the .* biases of .* are others"
    yield fault("biases damaged", "layer 1", "weights", words, "damaged_biases", 1)
    for layer in (1, 2, layers - 1):
        yield fault(
            "activation scale",
            f"layer {layer}",
            "",
            "scale",
            "wrong_input_scale",
            layer,
        )
    for layer in range(layers):
        yield fault(
            "zero point",
            f"layer {layer}",
            "quantization" if layer < layers - 1 else "",
            "zero point",
            "moved_zero_point",
            layer,
        )
    if file_format == "onnx":
        for layer in (0, 1, layers - 1):
            for what in ("rounded", "read"):
                yield fault(
                    "zero point",
                    f"layer {layer} {what}",
                    "quantization",
                    "zero point",
                    "moved_zero_point",
                    layer,
                    what,
                )
            yield fault(
                "zero point of weights",
                f"layer {layer}",
                "weights",
                "zero points",
                "moved_weights_zero_point",
                layer,
            )
    yield fault("RGB as BGR", "", "weights", "red and blue are swapped", "swapped_colours", first)
    for number, how in ((0, "zeroed"), (3, "shuffled"), (8, "noise")):
        yield fault(
            "class damaged",
            f"{classes[number]} {how}",
            "weights",
            f"class {classes[number]} are damaged",
            "damaged_class",
            number,
            how,
        )
    for seed, how in enumerate(("bit", "sign", "top bit")):
        yield fault(
            "1% flipped",
            how,
            "weights",
            "bits or signs were flipped",
            "flipped_weights",
            0.01,
            seed,
            how,
        )
