"""Times in which nobody could be heard."""

from sgconductor.servicegroup import hearing
from tests import base


class TestHearing(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.now = 1000.0
        self.hearing = hearing.Hearing(lambda: self.now)

    def test_at_first_there_was_no_gap(self) -> None:
        self.hearing.found()
        self.assertEqual(0, self.hearing.gap.length)

    def test_a_gap_is_from_the_first_loss_to_the_end(self) -> None:
        self.hearing.lost()
        self.now += 40
        self.hearing.lost()
        self.now += 20
        self.hearing.found()
        self.now += 5
        self.hearing.found()
        self.assertEqual((60, 5), self.hearing.gap)

    def test_while_it_lasts_nobody_is_silent(self) -> None:
        self.hearing.lost()
        self.assertGreater(self.hearing.gap.length, 10**8)
        self.assertEqual(0, self.hearing.gap.over_for)

    def test_what_was_before_counts_too(self) -> None:
        self.hearing.lost()
        self.hearing.found(unheard=300)
        self.assertEqual((300, 0), self.hearing.gap)
