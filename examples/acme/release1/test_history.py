"""Fails when the RPC API has moved and the history has not."""

import unittest

from acme import history
from acme import worker


class TestHistory(unittest.TestCase):
    def test_its_last_release_is_what_is_served(self) -> None:
        history.HISTORY.check(worker.Worker.target.version)
