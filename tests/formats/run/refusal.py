"""The refusal of a file that a runtime cannot open."""

from pathlib import Path

import pytest

from edgecv.core.errors import RuntimeFailure
from edgecv.core.plugins import Runtime


def check_refused(runtime: Runtime, path: Path, content: bytes, message: str) -> None:
    """Check that a file with ``content`` is refused, in one line that matches ``message``."""
    path.write_bytes(content)
    with pytest.raises(RuntimeFailure, match=message) as caught:
        runtime.open(path, threads=1)
    assert "\n" not in str(caught.value)
