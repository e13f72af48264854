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


def literal(text: str) -> str:
    """Return a text as matplotlib shows it unchanged: to it, two dollar signs hold a formula."""
    return text.replace("$", r"\$")


def drawn(figure: Any) -> bytes:
    """Draw a figure of matplotlib; return the content of a PNG file."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DOTS_PER_INCH)
    return content.getvalue()


def write_picture(figure: Any, path: Path) -> None:
    """Write a figure of matplotlib into a PNG file."""
    write_bytes(path, drawn(figure))
