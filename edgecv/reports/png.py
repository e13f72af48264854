"""Figures as PNG files, written atomically."""

import io
from pathlib import Path
from typing import Any

from edgecv.system.storage import write_bytes

DOTS_PER_INCH = 110
LAYOUT: Any = "constrained"
"""Engine that makes room for titles and labels; it takes half of the time of a picture."""


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure of matplotlib; sizes in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout=LAYOUT)


def write_picture(figure: Any, path: Path) -> None:
    """Write a figure of matplotlib into a PNG file."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DOTS_PER_INCH)
    write_bytes(path, content.getvalue())
