"""The head of a search: the actor beside its store, which gives stages to the nodes and takes them.

Each stage is made once: who asks for one that nobody has is told to make it, and the others wait.
"""

from collections import Counter
from pathlib import Path

from edgecv.system.storage import Store, pack

MAKE, WAIT, THERE = "make", "wait", "there"


class SearchHead:
    """The store of a search, for the trials on the nodes. ``holder`` is one attempt of a trial."""

    def __init__(self, root: str) -> None:
        self._store = Store(Path(root))
        self._makers: dict[tuple[str, str], str] = {}
        self._is_over = False
        self._published: Counter[str] = Counter()

    def published(self) -> dict[str, int]:
        """Return how many times each stage was made."""
        return dict(self._published)

    def begin(self) -> bool:
        """Return False where no trial may begin any more."""
        return not self._is_over

    def begin_no_more(self) -> None:
        """Let no further trial begin."""
        self._is_over = True

    def claim(self, kind: str, name: str, holder: str) -> str:
        """Return whether a stage is there, is to be made, or is being made by another."""
        if self._store.find(kind, name) is not None:
            return THERE
        return MAKE if self._makers.setdefault((kind, name), holder) == holder else WAIT

    def fetch(self, kind: str, name: str) -> bytes:
        """Return a stage that is there."""
        return pack(self._store.place(kind, name))

    def publish(self, kind: str, name: str, content: bytes) -> None:
        """Write a stage that a trial has made to the store."""
        self._published[f"{kind}/{name}"] += 1
        self._store.receive(self._store.place(kind, name), content)
        self._makers.pop((kind, name), None)

    def release(self, holder: str) -> None:
        """Let others make what an attempt had begun to make and has not."""
        self._makers = {key: each for key, each in self._makers.items() if each != holder}
