"""Tests of the whole house, on every database and transport."""

from tests import loading

load_tests = loading.in_order(__file__)
