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


def examples() -> list[doctest.DocTest]:
    """Return the docstrings that hold examples: to run one without any takes as long."""
    finder = doctest.DocTestFinder()
    found = (test for name in MODULES for test in finder.find(importlib.import_module(name)))
    return [test for test in found if test.examples]


def test_examples() -> None:
    tests = examples()
    assert sum(len(test.examples) for test in tests) > 5
    runner = doctest.DocTestRunner()
    assert [test.name for test in tests if runner.run(test).failed] == []
