"""Tests of this release together with the one before, as it was."""

from tests import loading

load_tests = loading.in_order(__file__)
