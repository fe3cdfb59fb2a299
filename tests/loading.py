"""Loading the tests of a package in an order that starts each server once."""

import pathlib
import unittest
from collections.abc import Callable

import testresources
import testscenarios

LoadTests = Callable[
    [unittest.TestLoader, unittest.TestSuite, str | None], unittest.TestSuite
]


def in_order(package: str) -> LoadTests:
    """The ``load_tests`` function for a package.

    :param package: its ``__file__``
    """
    here = pathlib.Path(package).parent

    def load_tests(
        loader: unittest.TestLoader,
        standard_tests: unittest.TestSuite,
        pattern: str | None,
    ) -> unittest.TestSuite:
        found = loader.discover(
            str(here), pattern or 'test*.py', str(here.parent.parent)
        )
        suite: unittest.TestSuite = testresources.OptimisingTestSuite()
        suite.addTests(testscenarios.generate_scenarios(found))
        return suite

    return load_tests
