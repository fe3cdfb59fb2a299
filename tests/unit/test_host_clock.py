"""The host's clock, which counts the pauses of the host."""

from sgconductor import host_clock
from sgconductor.member import database_clock
from tests import base


class HostTest(base.TestCase):
    """
    :ivar monotonic: stands still in a pause
    :ivar wall: goes on in a pause, and can be set
    """

    def setUp(self) -> None:
        super().setUp()
        self.monotonic = 100.0
        self.wall = 5000.0

    def go_on(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds


class TestHostClock(HostTest):
    def setUp(self) -> None:
        super().setUp()
        self.clock = host_clock.HostClock(
            lambda: self.monotonic, [lambda: self.wall]
        )

    def test_time_passes_as_by_the_monotonic_clock(self) -> None:
        self.assertEqual(100.0, self.clock())
        self.go_on(60)
        self.assertEqual(160.0, self.clock())
        self.assertEqual(0.0, self.clock.paused)

    def test_a_pause_counts_once(self) -> None:
        self.wall += 15
        self.assertEqual(115.0, self.clock())
        self.go_on(10)
        self.assertEqual(125.0, self.clock())
        self.wall += 5
        self.assertEqual(130.0, self.clock())
        self.assertEqual(20.0, self.clock.paused)

    def test_a_wall_clock_that_is_set_back_changes_nothing(self) -> None:
        self.wall -= 3600
        self.assertEqual(100.0, self.clock())
        self.go_on(10)
        self.assertEqual(110.0, self.clock())

    def test_a_clock_that_is_slewed_is_no_pause(self) -> None:
        for _ in range(100):
            self.go_on(10)
            self.wall += 0.5
            self.clock()
        self.assertEqual(0.0, self.clock.paused)

    def test_clocks_of_this_host_agree(self) -> None:
        clock = host_clock.HostClock()
        first = clock()
        self.assertLessEqual(first, clock())
        self.assertEqual(0.0, clock.paused)


class TestDatabaseClock(HostTest):
    def setUp(self) -> None:
        super().setUp()
        self.clock = database_clock.DatabaseClock(
            lambda: self.monotonic, [lambda: self.wall]
        )
        self.sync()

    def sync(self) -> None:
        self.clock.set_by(lambda: {'now': 9_000_000_000})

    def test_it_goes_on_in_a_pause_and_wants_to_be_set(self) -> None:
        self.assertFalse(self.clock.uncertain)
        self.wall += 15
        self.assertEqual(9_015_000_000, self.clock.now())
        self.assertTrue(self.clock.uncertain)
        self.sync()
        self.assertFalse(self.clock.uncertain)
        self.assertEqual(9_000_000_000, self.clock.now())

    def test_a_pause_while_it_is_set_makes_it_uncertain(self) -> None:
        def ask() -> dict[str, int]:
            self.wall += 15
            return {'now': 9_000_000_000}

        self.clock.set_by(ask)
        self.assertTrue(self.clock.uncertain)
