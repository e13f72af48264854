"""Lossless packing of a file: the same network from fewer bytes. The result of each format."""

from dataclasses import dataclass, field


class UnknownStructure(Exception):
    """A file holds something that cannot be written again. The message says what."""


@dataclass
class Packed:
    """A packed file. It is proven to hold the same network."""

    content: bytes = b""
    dropped: list[str] = field(default_factory=list)
    """The parts that were left out, beside names."""
    names: list[dict[str, str]] = field(default_factory=list)
    """For each graph, the names of tensors before by those of now."""
