"""The chaos drill: random operations and faults, and a check of both."""

from tests import loading

load_tests = loading.in_order(__file__)
