"""The base of every plug-in: a table of options with a name and a line of help."""

from abc import ABC
from typing import ClassVar

from edgecv.core.options import Options


class Plugin(Options, ABC):
    """The base of every plug-in. Recipes and flags use its ``name``."""

    name: ClassVar[str]

    @classmethod
    def help_text(cls) -> str:
        """Return the first line of the docstring."""
        return (cls.__doc__ or "").strip().splitlines()[0]
