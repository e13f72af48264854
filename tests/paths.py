"""Where the repository is, and what lies beside it: tests that need that skip where it is not."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
SHARED = REPOSITORY.parent / "shared"
HOSTILE = SHARED / "hostile"
