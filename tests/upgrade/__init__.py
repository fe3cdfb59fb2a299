"""Tests of this release together with the one before, as it was."""

import pathlib
import unittest

import testresources
import testscenarios


def load_tests(
    loader: unittest.TestLoader,
    standard_tests: unittest.TestSuite,
    pattern: str | None,
) -> unittest.TestSuite:
    """All tests, in an order in which each server starts but once."""
    here = pathlib.Path(__file__).parent
    found = loader.discover(
        str(here), pattern or 'test*.py', str(here.parent.parent)
    )
    suite: unittest.TestSuite = testresources.OptimisingTestSuite()
    suite.addTests(testscenarios.generate_scenarios(found))
    return suite
