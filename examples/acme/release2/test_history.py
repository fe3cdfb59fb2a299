"""Fails if the RPC API has a new version and the history has not."""

import unittest

from acme import history
from acme import worker


class TestHistory(unittest.TestCase):
    def test_the_last_release_has_the_version_that_is_served(self) -> None:
        history.HISTORY.check(worker.Worker.target.version)
