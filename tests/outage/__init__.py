"""The outage drill: parts of the control plane are away for a while."""

from tests import loading

load_tests = loading.in_order(__file__)
