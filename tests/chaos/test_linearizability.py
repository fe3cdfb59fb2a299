"""The check of linearizability, on a register of whole numbers."""

import functools
import itertools
import random
from collections.abc import Sequence
from typing import Any

from tests import base
from tests.chaos import linearizability


def write(
    value: int, begin: float, end: float, must: bool = True
) -> linearizability.Call:
    return linearizability.Call(
        begin, end, must, lambda _: value, source=f'write {value}'
    )


def read(value: int, begin: float, end: float) -> linearizability.Call:
    return linearizability.Call(
        begin,
        end,
        True,
        lambda state: state if state == value else None,
        reads=True,
        source=f'read {value}',
    )


def increment(
    after: int, begin: float, end: float, must: bool = True
) -> linearizability.Call:
    return linearizability.Call(
        begin,
        end,
        must,
        lambda state: after if state + 1 == after else None,
        source=f'increment to {after}',
    )


class TestRegister(base.TestCase):
    def assert_fits(self, *calls: linearizability.Call) -> None:
        self.assertIsNone(linearizability.find_failure(calls, 0))

    def assert_fails(self, at: str, *calls: linearizability.Call) -> None:
        failure = linearizability.find_failure(calls, 0)
        assert failure is not None
        self.assertEqual(at, failure.call.source)

    def test_a_read_after_a_write_sees_it(self) -> None:
        self.assert_fits(write(1, 0, 1), read(1, 2, 3))

    def test_a_read_after_a_write_that_sees_the_old_value_fails(self) -> None:
        self.assert_fails('read 0', write(1, 0, 1), read(0, 2, 3))

    def test_a_read_beside_a_write_sees_either_value(self) -> None:
        self.assert_fits(write(1, 0, 3), read(0, 1, 2))
        self.assert_fits(write(1, 0, 3), read(1, 1, 2))

    def test_a_value_that_was_seen_does_not_go_away(self) -> None:
        self.assert_fails(
            'read 0', write(1, 0, 9), read(1, 1, 2), read(0, 3, 4)
        )

    def test_an_uncertain_write_may_never_happen(self) -> None:
        self.assert_fits(write(1, 0, 1, must=False), read(0, 2, 3))

    def test_an_uncertain_write_may_be_seen_until_its_end(self) -> None:
        late = write(1, 0, 9, must=False)
        self.assert_fits(late, read(0, 2, 3), read(1, 4, 5), read(1, 10, 11))
        self.assert_fails('read 1', late, read(0, 10, 11), read(1, 12, 13))

    def test_an_uncertain_write_happens_once(self) -> None:
        late = write(1, 0, 20, must=False)
        self.assert_fails(
            'read 1', late, read(1, 2, 3), write(2, 4, 5), read(1, 6, 7)
        )

    def test_an_uncertain_write_is_not_used_up_where_it_changes_nothing(
        self,
    ) -> None:
        late = write(1, 2, 20, must=False)
        self.assert_fits(
            write(1, 0, 1), late, read(1, 3, 4), write(2, 5, 6), read(1, 7, 8)
        )

    def test_two_increments_to_the_same_value_fail(self) -> None:
        self.assert_fails(
            'increment to 1', increment(1, 0, 3), increment(1, 1, 2)
        )

    def test_a_failure_tells_the_states_and_what_was_open(self) -> None:
        failure = linearizability.find_failure(
            [write(1, 0, 1), write(2, 2, 9), read(0, 3, 4)], 0
        )
        assert failure is not None
        self.assertEqual([1], failure.states)
        self.assertEqual(['write 2'], [one.source for one in failure.open])


class TestAgainstAllOrders(base.TestCase):
    """The same answer as by trying every order, on random histories."""

    def test_random_histories(self) -> None:
        dice = random.Random(15)
        answers = []
        for _ in range(600):
            calls = [self._random(dice) for _ in range(dice.randint(2, 5))]
            fits = linearizability.find_failure(calls, 0) is None
            told = str([call.source for call in calls])
            self.assertEqual(_fits_any_order(calls), fits, told)
            answers.append(fits)
        # Both answers are tried.
        self.assertGreater(sum(answers), 100)
        self.assertGreater(len(answers) - sum(answers), 100)

    def _random(self, dice: random.Random) -> linearizability.Call:
        # No two moments are the same.
        begin, end = sorted([dice.random(), dice.random()])
        make: Any = dice.choice(
            [
                read,
                write,
                increment,
                functools.partial(write, must=False),
                functools.partial(increment, must=False),
            ]
        )
        call: linearizability.Call = make(dice.randint(0, 2), begin, end)
        return call


def _fits_any_order(calls: Sequence[linearizability.Call]) -> bool:
    uncertain = [call for call in calls if not call.must]
    certain = [call for call in calls if call.must]
    return any(
        _fits(order)
        for count in range(len(uncertain) + 1)
        for some in itertools.combinations(uncertain, count)
        for order in itertools.permutations([*certain, *some])
    )


def _fits(order: Sequence[linearizability.Call]) -> bool:
    for first, later in itertools.combinations(order, 2):
        if later.end < first.begin:
            return False
    state: Any = 0
    for call in order:
        state = call.apply(state)
        if state is None:
            return False
    return True
