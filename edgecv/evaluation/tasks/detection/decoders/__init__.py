"""Decoders: how boxes are found in the outputs of a detector.

A closed union of options: a recipe names one by its ``kind``. All are numpy, and what they need of
the network stands in their options, so that a bundle for a device can carry one.
"""

from functools import lru_cache
from typing import Annotated

from pydantic import Field

from edgecv.core.data import Outputs
from edgecv.core.errors import InputError
from edgecv.evaluation.tasks.detection.boxes import Boxes
from edgecv.evaluation.tasks.detection.decoders.decoder import (
    WHERE,
    Coordinates,
    Shape,
    shapes_text,
)
from edgecv.evaluation.tasks.detection.decoders.maps import MapDecoder as MapDecoder
from edgecv.evaluation.tasks.detection.decoders.postprocessed import (
    PostprocessedDecoder as PostprocessedDecoder,
)
from edgecv.evaluation.tasks.detection.decoders.ssd import SsdDecoder
from edgecv.evaluation.tasks.detection.decoders.yolo import YoloDecoder

Decoder = Annotated[
    MapDecoder | SsdDecoder | YoloDecoder | PostprocessedDecoder, Field(discriminator="kind")
]
MOST_KEPT = 8


def usual_decoder(shapes: list[Shape]) -> MapDecoder | PostprocessedDecoder | None:
    """Return the decoder that shapes of outputs show without a doubt, else None.

    >>> usual_decoder([(8, 8, 4), (8, 8, 10)]).kind, usual_decoder([(84, 8400)])
    ('edgecv', None)
    """
    if len(shapes) == 2 and all(len(each) == 3 for each in shapes):
        (high, wide, _), other = shapes[0], shapes[1]
        if other[:2] == (high, wide) and 4 in (shapes[0][2], other[2]):
            return MapDecoder()
    boxes = [each[0] for each in shapes if len(each) == 2 and each[1] == 4]
    if len(boxes) == 1 and shapes.count((boxes[0],)) == 2 and len(shapes) in (3, 4):
        return PostprocessedDecoder()
    return None


def unit_of(decoder: Decoder | None) -> Coordinates:
    """Return the unit of the boxes that a decoder gives."""
    return "fractions" if decoder is None else decoder.unit


@lru_cache(maxsize=MOST_KEPT)
def boxes_of(decoder: Decoder | None, outputs: Outputs) -> Boxes:
    """Return the boxes in outputs, by the decoder that they show where none is given.

    Raises InputError where it does not fit.
    """
    chosen = decoder or usual_decoder([each.shape[1:] for each in outputs.arrays.values()])
    if chosen is None:
        raise InputError(
            WHERE,
            f"nothing says how boxes are found in the outputs {shapes_text(outputs)}",
            accepted="kind = " + ", ".join(KINDS),
            remedy="give [task.decoder] in a recipe",
        )
    return chosen.decoded(outputs)


KINDS = ("edgecv", "ssd", "yolo", "postprocessed")
