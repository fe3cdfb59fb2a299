"""The outage drill: what is said of members while parts are away."""

from tests import loading

load_tests = loading.in_order(__file__)
