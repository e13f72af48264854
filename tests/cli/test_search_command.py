"""Forms of the answer of ``edgecv search`` that need no trial."""

import pytest

from edgecv.cli.search import SearchCommand
from edgecv.core.errors import InputError

pytestmark = pytest.mark.quick


def test_the_status_and_the_plan_are_two_answers() -> None:
    """Of both, the status was printed alone."""
    with pytest.raises(InputError, match=r"--status: stands beside --dry-run; give one of them"):
        SearchCommand(data="digits", status=True, dry_run=True)
