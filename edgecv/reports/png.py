"""Figures as PNG files, written atomically."""

import io
from pathlib import Path
from typing import Any

from edgecv.system.storage import write_bytes

DOTS_PER_INCH = 110


def write_picture(figure: Any, path: Path) -> None:
    """Write a figure of matplotlib into a PNG file."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DOTS_PER_INCH)
    write_bytes(path, content.getvalue())
