"""Refusals of input, which are always one line."""

from collections.abc import Callable

import pytest

from edgecv.core.errors import InputError


def refusal_of(act: Callable[[], object]) -> str:
    """Return the message of the InputError that a call raises."""
    with pytest.raises(InputError) as caught:
        act()
    assert "\n" not in str(caught.value)
    return str(caught.value)
