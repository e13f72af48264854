"""The result of packing a file."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PackedFile:
    """A file that was packed, or is packed already."""

    bytes_before: int
    bytes_after: int
    dropped: tuple[str, ...] = ()
    """The parts that were left out, beside names."""
    same_answers: tuple[str, ...] = ()
    """The ways in which both files were run, with the same bytes out."""
    not_run: str = ""
    """The reason, where the file cannot be run on random values."""
    names: tuple[dict[str, str], ...] = ()
    """For each graph, the names of tensors before by those of now."""
    output: str | None = None
    """The packed file; None where nothing is to be gained."""
