"""The examples in the docstrings of the language are right."""

import doctest
import importlib
import pkgutil

import pytest

import grammar

MODULES = sorted(module.name for module in pkgutil.iter_modules(grammar.__path__, "grammar."))


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_right(name):
    """Each doctest gives what it shows."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    """The modules are found, and some of them have examples."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    assert (
        sum(len(test.examples) for name in MODULES for test in finder.find(importlib.import_module(name)))
        >= 6
    )
