"""Counts, names and text of files as notes and errors show them."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MOST_NAMED = 8
LONGEST_NAME = 80


@dataclass(frozen=True)
class TextTable:
    """Rows of text under headings, and a sentence below them where rows are left out."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    below: str = ""


def counted(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> counted(1, "image"), counted(12000, "image"), counted(2, "class"), counted(0, "exact copy")
    ('1 image', '12,000 images', '2 classes', '0 exact copies')
    >>> counted(3, "array")
    '3 arrays'
    """
    if count == 1:
        return f"1 {noun}"
    if re.search("[^aeiou]y$", noun):
        return f"{count:,} {noun[:-1]}ies"
    return f"{count:,} {noun}{'es' if noun.endswith('s') else 's'}"


def bytes_text(count: int) -> str:
    """Return a number of bytes in a unit that fits.

    >>> bytes_text(1_000_000), bytes_text(2_457_600), bytes_text(50_000_000_000), bytes_text(12)
    ('1 MB', '2.5 MB', '50 GB', '12 B')
    """
    power = min(3, max(0, (len(str(count)) - 1) // 3))
    return f"{count / 1000**power:,.1f}".removesuffix(".0") + f" {('B', 'KB', 'MB', 'GB')[power]}"


def were(count: int) -> str:
    """Return "was" for one, "were" for any other count."""
    return "was" if count == 1 else "were"


def printable(text: str) -> str:
    """Replace characters that could control a terminal or cannot be printed.

    >>> printable("a\\x1b[2Jb")
    'a?[2Jb'
    """
    return "".join(each if each.isprintable() else "?" for each in text)


def printable_lines(text: str) -> str:
    """Replace what ``printable`` replaces, and keep the line breaks: for all that is shown.

    >>> printable_lines("caf\\udce9\\n\\x1b[2J")
    'caf?\\n?[2J'
    """
    if text.isascii() and text.isprintable():
        return text
    return "\n".join(map(printable, text.split("\n")))


def listed(names: Sequence[str], limit: int = MOST_NAMED) -> str:
    """Return names separated by commas, at most ``limit`` of them.

    >>> listed(["conv_1", "dense_1"])
    'conv_1, dense_1'
    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    shown = ", ".join(printable(name) for name in names[:limit])
    return f"{shown} and {len(names) - limit:,} more" if len(names) > limit else shown


def without_password(uri: str) -> str:
    """Return a URI as it may be shown.

    >>> without_password("https://me:secret@example.org/x")
    'https://...@example.org/x'
    >>> without_password("postgresql://me:pa/s@?s@host/db"), without_password("file:///a@b/runs")
    ('postgresql://...@host/db', 'file:///a@b/runs')
    """
    return re.sub(r"://(?!/).*@", "://...@", uri)


def one_line(text: str) -> str:
    """Return text as one printable line: it may quote a hostile file.

    >>> one_line("was saved by\\n Keras \\x1b[2J")
    'was saved by Keras ?[2J'
    """
    return printable(" ".join(text.split()))


def short_name(text: object) -> str:
    """Return text of a file as one short printable line.

    >>> short_name("a\\x1b[2J" + "b" * 100)[:8]
    'a?[2Jbbb'
    """
    shown = printable(str(text)[: LONGEST_NAME + 1])
    return shown if len(shown) <= LONGEST_NAME else f"{shown[: LONGEST_NAME - 3]}..."


def name_at(names: Sequence[str], place: int) -> str:
    """Return a name, or its number where there is none.

    >>> name_at(["cat"], 0), name_at(["cat"], 1)
    ('cat', '1')
    """
    return names[place] if place < len(names) else str(place)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the closest known name as a remedy.

    >>> nearest("int9", ["int8", "float16"])
    'did you mean "int8"?'
    >>> nearest("zebra", ["int8", "float16"])
    ''
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else ""


def first_line(error: BaseException) -> str:
    """Return the first line of a library's message, printable and at most 300 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = lines[0] if lines else type(error).__name__
    return printable(first)[:300]
