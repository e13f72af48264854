"""Stages that several stores have in common, such as those of the machines of a search."""

from typing import Protocol


class StageSharing(Protocol):
    """Stages shared between stores: asked for before one is made, announced once it is."""

    def fetch(self, kind: str, name: str) -> bool:
        """Put a stage that another store has made, or is making, into this one and return True.

        False: it is to be made here, and others wait for it.
        """

    def publish(self, kind: str, name: str) -> None:
        """Give a stage that was made here to the others."""


class NotShared:
    """The sharing of a store that stands alone: each stage is made here."""

    def fetch(self, kind: str, name: str) -> bool:
        """Return False: nobody else makes it."""
        return False

    def publish(self, kind: str, name: str) -> None:
        """Give it to nobody."""
