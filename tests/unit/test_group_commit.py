"""What is asked for at once is done together."""

import threading
from collections.abc import Sequence

from sgconductor.conductor import group_commit
from tests import base


class Slow:
    """Work that waits until it may go on, and notes what it is given."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.busy = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def __call__(self, asked: Sequence[int]) -> list[int | Exception]:
        self.batches.append(sorted(asked))
        self.busy.release()
        self.go.acquire(timeout=base.PATIENCE)
        if 13 in asked:
            raise ZeroDivisionError
        if 666 in asked:
            raise SystemExit
        return [ValueError(n) if n < 0 else 2 * n for n in asked]


class TestGather(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.work = Slow()
        self.group = group_commit.GroupCommit(self.work, 3)
        self.answers: dict[int, int | str] = {}

    def ask(self, *numbers: int) -> list[threading.Thread]:
        def one(number: int) -> None:
            try:
                self.answers[number] = self.group.submit(number)
            except (Exception, SystemExit) as error:
                self.answers[number] = type(error).__name__

        threads = [threading.Thread(target=one, args=(n,)) for n in numbers]
        for thread in threads:
            thread.start()
        return threads

    def all_ask(self, first: int, *others: int) -> None:
        """One asks, the others while that is done."""
        threads = self.ask(first)
        self.assertTrue(self.work.busy.acquire(timeout=base.PATIENCE))
        threads += self.ask(*others)
        self.wait_for(
            'the others', lambda: len(self.group._waiting) == len(others)
        )
        self.work.go.release(len(others) + 1)
        for thread in threads:
            thread.join(base.PATIENCE)

    def test_one_alone_waits_for_nobody(self) -> None:
        self.work.go.release(2)
        self.assertEqual(2, self.group.submit(1))
        self.assertEqual(4, self.group.submit(2))
        self.assertEqual([[1], [2]], self.work.batches)

    def test_who_asks_meanwhile_is_next_together(self) -> None:
        self.all_ask(1, 2, 3, 4)
        self.assertEqual([[1], [2, 3, 4]], self.work.batches)
        self.assertEqual({1: 2, 2: 4, 3: 6, 4: 8}, self.answers)

    def test_no_more_than_so_many_at_once(self) -> None:
        self.all_ask(1, *range(2, 9))
        self.assertEqual([1, 3, 3, 1], [len(b) for b in self.work.batches])
        self.assertEqual({n: 2 * n for n in range(1, 9)}, self.answers)

    def test_an_error_is_its_own(self) -> None:
        self.all_ask(1, 2, -3)
        self.assertEqual({1: 2, 2: 4, -3: 'ValueError'}, self.answers)

    def test_a_failure_is_everybodys_and_not_the_end(self) -> None:
        self.all_ask(1, 2, 13)
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

    def test_the_end_of_who_does_it_is_no_end_for_others(self) -> None:
        self.all_ask(1, 666, 3)
        self.assertEqual({1, 666, 3}, set(self.answers))
        self.assertEqual(
            {'SystemExit', 'RuntimeError'},
            {self.answers[666], self.answers[3]},
        )
        self.work.go.release()
        self.assertEqual(8, self.group.submit(4))
