"""The environments of other releases, in which the tests here run."""

import pathlib
import threading

import fixtures

from tests import base
from tests import release


class Quick(release.Release):
    """Makes an empty environment, and counts that."""

    made = 0

    def _make(self) -> None:
        Quick.made += 1
        self._home.mkdir(exist_ok=True)
        self._stamp.write_text(self._made_for())


class TestRelease(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.place = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def test_an_unknown_commit_is_refused_and_names_the_command(self) -> None:
        lost = release.Release('0' * 40, self.place)
        error = self.assertRaises(release.ReleaseError, lambda: lost.bin)
        self.assertIn('0' * 40, str(error))
        self.assertIn('git fetch --unshallow', str(error))

    def test_many_threads_that_want_one_make_it_once(self) -> None:
        Quick.made = 0

        def use() -> None:
            self.assertTrue(Quick('abc', self.place).bin)

        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(1, Quick.made)

    def test_an_incomplete_environment_is_made_again(self) -> None:
        Quick.made = 0
        home = self.place / 'abc'
        home.mkdir()
        self.assertTrue(Quick('abc', self.place).bin)
        (home / 'stamp').write_text('of another Python')
        self.assertTrue(Quick('abc', self.place).bin)
        self.assertEqual(2, Quick.made)
