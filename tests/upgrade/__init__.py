"""Tests of this release together with the release before it."""

from tests import loading

load_tests = loading.in_order(__file__)
