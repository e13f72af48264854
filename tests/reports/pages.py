"""A page read as a browser reads it: elements, attributes and the text that people see."""

import re
from html.parser import HTMLParser

VOID = {"meta", "br", "img", "line", "rect", "circle", "polyline"}
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")


class Page(HTMLParser):
    """Elements and visible text of a page; every element must be closed where it has to be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.raw: dict[str, str] = {}
        self._open: list[tuple[str, bool]] = []
        self.feed(text)
        assert [tag for tag, _ in self._open] == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        is_drawn = tag in ("script", "style", "pre") or attributes.get("class") == "axis"
        if tag not in VOID:
            self._open.append((tag, is_drawn))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if not any(drawn for _, drawn in self._open):
            self.texts.append(data)
        elif self._open[-1][0] in ("script", "style"):
            self.raw[self._open[-1][0]] = data

    @property
    def text(self) -> str:
        return "\n".join(self.texts)

    def all_of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def numbers(text: str) -> set[str]:
    """Return the numbers in a text, without signs and units."""
    return {found.rstrip(",") for found in NUMBER.findall(text)}


def known_numbers(value: object) -> set[str]:
    """Return every way in which a page may write the numbers of a table of plain values."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        found = {str(len(value))}
        return found.union(*map(known_numbers, value))
    if isinstance(value, str):
        return numbers(value)
    if value is None or isinstance(value, bool):
        return set()
    assert isinstance(value, int | float)
    forms = [f",.{digits}f" for digits in range(5)]
    forms += [f".{digits}g" for digits in (2, 3, 4, 6, 9)]
    scaled = [value, value * 100, *([1 / value] if value else [])]
    texts = [f"{abs(each):{form}}" for each in scaled for form in forms]
    return {number for text in (*texts, f"{value:,}") for number in numbers(text)}
