"""Group commit: concurrent requests are executed in batches."""

import threading
from collections.abc import Sequence

from sgconductor.conductor import group_commit
from tests import base


class SlowWork:
    """Doubles numbers, one batch for each ``go``; records its batches.

    A negative number is a ValueError. A batch with 13 fails as a whole, and
    one with 666 ends its thread.
    """

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.busy = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def __call__(self, batch: Sequence[int]) -> list[int | Exception]:
        self.batches.append(sorted(batch))
        self.busy.release()
        self.go.acquire(timeout=base.PATIENCE)
        if 13 in batch:
            raise ZeroDivisionError
        if 666 in batch:
            raise SystemExit
        return [ValueError(n) if n < 0 else 2 * n for n in batch]


class TestGroupCommit(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.work = SlowWork()
        self.group = group_commit.GroupCommit(self.work, 3)
        self.answers: dict[int, int | str] = {}

    def submit(self, *numbers: int) -> list[threading.Thread]:
        """Submit each number in a thread of its own."""

        def submit(number: int) -> None:
            try:
                self.answers[number] = self.group.submit(number)
            except (Exception, SystemExit) as error:
                self.answers[number] = type(error).__name__

        threads = [threading.Thread(target=submit, args=(n,)) for n in numbers]
        for thread in threads:
            thread.start()
        return threads

    def submit_while_busy(self, first: int, *others: int) -> None:
        """Submit a number, and the others while the first is executed."""
        threads = self.submit(first)
        self.assertTrue(self.work.busy.acquire(timeout=base.PATIENCE))
        threads += self.submit(*others)
        self.wait_for(
            'the others to wait',
            lambda: len(self.group._waiting) == len(others),
        )
        self.work.go.release(len(others) + 1)
        for thread in threads:
            thread.join(base.PATIENCE)

    def test_a_single_request_is_executed_at_once(self) -> None:
        self.work.go.release(2)
        self.assertEqual(2, self.group.submit(1))
        self.assertEqual(4, self.group.submit(2))
        self.assertEqual([[1], [2]], self.work.batches)

    def test_requests_that_wait_become_one_batch(self) -> None:
        self.submit_while_busy(1, 2, 3, 4)
        self.assertEqual([[1], [2, 3, 4]], self.work.batches)
        self.assertEqual({1: 2, 2: 4, 3: 6, 4: 8}, self.answers)

    def test_a_batch_has_at_most_the_given_size(self) -> None:
        self.submit_while_busy(1, *range(2, 9))
        self.assertEqual([1, 3, 3, 1], [len(b) for b in self.work.batches])
        self.assertEqual({n: 2 * n for n in range(1, 9)}, self.answers)

    def test_the_error_of_one_request_fails_no_other(self) -> None:
        self.submit_while_busy(1, 2, -3)
        self.assertEqual({1: 2, 2: 4, -3: 'ValueError'}, self.answers)

    def test_a_failed_batch_fails_its_requests_and_no_later_one(self) -> None:
        self.submit_while_busy(1, 2, 13)
        failed = 'ZeroDivisionError'
        self.assertEqual({1: 2, 2: failed, 13: failed}, self.answers)
        self.work.go.release()
        self.assertEqual(8, self.group.submit(4))

    def test_a_wrong_number_of_answers_is_an_error(self) -> None:
        answers: list[int] = []
        group = group_commit.GroupCommit[int, int](lambda _: answers, 3)
        self.assertRaises(ValueError, group.submit, 1)
        answers += [1, 2]
        self.assertRaises(ValueError, group.submit, 1)

    def test_requests_fail_if_the_executing_thread_exits(self) -> None:
        self.submit_while_busy(1, 666, 3)
        self.assertEqual({1, 666, 3}, set(self.answers))
        self.assertEqual(
            {'SystemExit', 'RuntimeError'},
            {self.answers[666], self.answers[3]},
        )
        self.work.go.release()
        self.assertEqual(8, self.group.submit(4))
