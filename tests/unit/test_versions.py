"""The history of a project: its releases, by service version."""

from sgconductor import exception
from sgconductor import versions
from tests import base

HISTORY = versions.History(
    '1.0',
    '1.0',
    versions.Release('1.1', {'Image': '1.3'}, 'Betty'),
    '2.0',
)


class TestHistory(base.TestCase):
    def test_the_version_is_the_index_of_the_last_release(self) -> None:
        self.assertEqual(3, HISTORY.version)
        self.assertEqual('2.0', HISTORY.newest.rpc)
        self.assertEqual('1.0', HISTORY.oldest.rpc)

    def test_a_pin_is_the_index_of_a_release(self) -> None:
        versions_by_pin = [HISTORY.at(pin).rpc for pin in range(4)]
        self.assertEqual(['1.0', '1.0', '1.1', '2.0'], versions_by_pin)
        self.assertEqual('Betty', HISTORY.at(2).name)

    def test_a_pin_beyond_the_history_gives_the_last_release(self) -> None:
        self.assertEqual('2.0', HISTORY.at(99).rpc)

    def test_a_history_that_cannot_work_is_refused(self) -> None:
        for releases, word in (
            ((), 'at least one'),
            (('1.1', '1.0'), 'only appended to'),
            (('1',), "not '1'"),
            (('1.0.0',), "not '1.0.0'"),
            (('new',), "not 'new'"),
        ):
            error = self.assertRaises(
                exception.ConfigError, versions.History, *releases
            )
            self.assertIn(word, str(error))


class TestCheck(base.TestCase):
    """The check that a project's own tests run."""

    def test_it_passes_for_the_versions_of_the_last_release(
        self,
    ) -> None:
        HISTORY.check('2.0')
        versions.History('1.0', '1.1').check('1.1', {})

    def test_it_fails_for_an_rpc_version_without_a_release(self) -> None:
        error = self.assertRaises(AssertionError, HISTORY.check, '2.1')
        self.assertIn('service version 3', str(error))
        self.assertIn('has RPC 2.0, but the code has RPC 2.1', str(error))
        self.assertIn('append a release', str(error))

    def test_it_fails_for_an_object_version_without_a_release(self) -> None:
        history = versions.History(versions.Release('1.0', {'Image': '1.3'}))
        history.check('1.0', {'Image': '1.3'})
        error = self.assertRaises(
            AssertionError, history.check, '1.0', {'Image': '1.4'}
        )
        self.assertIn('and Image 1.4', str(error))
