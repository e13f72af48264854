"""Texts and pictures of numbers for the report."""

from collections.abc import Sequence

from edgecv.core.data import Images
from edgecv.evaluation import drawing
from edgecv.evaluation.tasks.regression.values import Values

METHOD = (
    "MAE and RMSE have the unit of the numbers. One point is one percent of the range of the "
    "test targets, of each number by its own; of a box the range of them all. PCK of keypoints "
    "is the fraction of visible points within the distance, and a point one percent of them. "
    + drawing.METHOD
)
SHOWN = 4
"""Numbers below a picture."""


def numbers(values: Values) -> str:
    """Write the first numbers of an image."""
    more = ", ..." if len(values) > SHOWN else ""
    return ", ".join(f"{each:.4g}" for each in values[:SHOWN]) + more


def picture(
    image: Images, rows: Sequence[tuple[Values, drawing.Colour]], *, is_box: bool
) -> Images:
    """Return an image with points, or boxes, each row of numbers in its colour."""
    found, times = drawing.enlarged(image)
    draw, width = (drawing.draw_boxes, 4) if is_box else (drawing.draw_points, 2)
    for values, colour in rows:
        found = draw(found, values.reshape(-1, width) * times, colour)
    return found
