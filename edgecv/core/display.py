"""Records that a notebook shows as HTML.

A record knows nothing of HTML: ``edgecv.api.display`` registers a function for its class with
``@to_html.register``.
"""

from functools import singledispatch


@singledispatch
def to_html(record: object) -> str | None:
    """Return a record as HTML, None where nothing is registered for its class."""
    return None


class Displayed:
    """Base of records that a notebook shows as HTML."""

    __slots__ = ()

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows, None where it shows the ``repr``."""
        return to_html(self)
