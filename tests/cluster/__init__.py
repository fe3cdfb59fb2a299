"""The cluster drill: each node of a cluster is away in turn, under load."""

from tests import loading

load_tests = loading.in_order(__file__)
