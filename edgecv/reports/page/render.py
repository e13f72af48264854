"""Pages made of templates: every text is escaped, and nothing is loaded from a network."""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Any

from edgecv.core.text import printable_lines

LONGEST_WORD = 200
"""Letters without a space between them: a name of a hostile file may have any number."""


def render(template: str, **content: Any) -> str:
    """Return a page made of a template, with its style, its script and the rule on both."""
    style, script = _part("page.css"), _part("page.js")
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_source_hash(style)}'; script-src '{_source_hash(script)}'"
    )
    found = _environment().get_template(template)
    page: str = found.render(style=style, script=script, policy=policy, **content)
    return page


@cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = "{:,}".format
    environment.filters["tick"] = "{:,.6g}".format
    environment.filters["picture"] = picture_source
    return environment


def shown(value: Any) -> Any:
    """Return a value as a page shows it: text is printable, and no word is endless.

    >>> shown("a\\u202eb"), shown(7), len(shown("a" * 10_000))
    ('a?b', 7, 203)
    """
    from markupsafe import Markup

    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return re.sub(rf"(\S{{{LONGEST_WORD}}})\S+", r"\1...", printable_lines(value))


def picture_source(png: str) -> Any:
    """Return a PNG file in Base64 as the source of an image."""
    from markupsafe import Markup, escape

    return Markup("data:image/png;base64,") + escape(png)


@cache
def _part(name: str) -> Any:
    """Return the style or the script of the pages, which is no text of a user's."""
    from markupsafe import Markup

    return Markup((files(__package__) / "templates" / name).read_text("utf-8"))


def _source_hash(text: str) -> str:
    """Return the hash of a style or a script by which a browser knows it."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
