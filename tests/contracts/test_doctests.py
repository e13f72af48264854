"""The examples in docstrings, of the package as it is installed."""

import doctest
import importlib
import pkgutil

import edgecv

MODULES = [
    module.name
    for module in pkgutil.walk_packages(edgecv.__path__, "edgecv.")
    if module.name != "edgecv.__main__"
]


def test_examples() -> None:
    failed = [name for name in MODULES if doctest.testmod(importlib.import_module(name)).failed]
    assert failed == []


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = sum(
        len(test.examples)
        for name in MODULES
        for test in finder.find(importlib.import_module(name))
    )
    assert examples > 5
