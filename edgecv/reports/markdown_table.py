"""Tables in Markdown, and names of strangers as plain text in it."""

from collections.abc import Sequence

from edgecv.core.text import one_line


def markdown_table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [headings, tuple("---" for _ in headings), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]


def plain_markdown(text: str) -> str:
    """Escape Markdown and HTML: names come from files.

    >>> plain_markdown("<b>@all</b> `x`\\n-> n")
    '&lt;b>&#64;all&lt;/b> &#96;x&#96; -> n'
    """
    safe = one_line(text).replace("&", "&amp;").replace("<", "&lt;")
    for letter in "@`[]*|":
        safe = safe.replace(letter, f"&#{ord(letter)};")
    return safe
