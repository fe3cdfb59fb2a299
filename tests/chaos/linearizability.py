"""A check of linearizability: whether operations fit one order.

An operation takes effect at one moment between its begin and its end. Here
all orders are tried together, as in "Testing for linearizability" by Gavin
Lowe (2017): the possible states are followed from one end of an operation to
the next, and an operation is placed only when another one needs it.
"""

import dataclasses
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

# Of the states that an error names.
_MOST_STATES = 3
# More than these, and the check is given up as too long.
_MOST_CONFIGURATIONS = 200_000


@dataclasses.dataclass(frozen=True)
class Call:
    """An operation on one object.

    :ivar begin: no effect before this
    :ivar end: no effect after this
    :ivar must: whether it surely took effect; otherwise it may have
    :ivar apply: the state that it makes of a state, or None if it cannot
        have had its answer in that state. The states are hashable.
    :ivar reads: whether it never changes a state
    :ivar source: what it stands for
    """

    begin: float
    end: float
    must: bool
    apply: Callable[[Any], Hashable | None]
    reads: bool = False
    source: Any = None


class Failure(NamedTuple):
    """The first operation that fits no order.

    :ivar states: possible ones before it, some of them
    :ivar open: other calls that had not ended
    """

    call: Call
    states: list[Any]
    open: list[Call]


class TooManyError(Exception):
    """There are too many orders to try them all."""


class _Configuration(NamedTuple):
    """A state that is possible now.

    :ivar placed: those that have not ended, but took effect already
    """

    state: Any
    placed: frozenset[int]


def find_failure(calls: Sequence[Call], initial: Any) -> Failure | None:
    """Find the first operation that fits no order.

    :param initial: the state before all of them
    :returns: None if there is an order in which all fit
    :raises TooManyError: if too many operations overlap
    """
    open_: dict[int, Call] = {}
    now = {_Configuration(initial, frozenset())}
    for number, ends in _moments(calls):
        call = calls[number]
        if not ends:
            open_[number] = call
            continue
        after = _with(number, now, open_)
        if not call.must:
            after |= {one for one in now if number not in one.placed}
        if not after:
            others = [one for i, one in open_.items() if i != number]
            states = [one.state for one in now][:_MOST_STATES]
            return Failure(call, states, others)
        del open_[number]
        now = {
            _Configuration(one.state, one.placed - {number}) for one in after
        }
    return None


def _moments(calls: Sequence[Call]) -> Iterable[tuple[int, bool]]:
    """Each call twice: at its begin, and (True) at its end."""
    moments = []
    for number, call in enumerate(calls):
        moments.append((call.begin, False, number))
        moments.append((call.end, True, number))
    return [(number, ends) for _, ends, number in sorted(moments)]


def _with(
    number: int, now: set[_Configuration], open_: dict[int, Call]
) -> set[_Configuration]:
    """All that can be once a call took effect, and others before it."""
    found = set()
    seen = set(now)
    waiting = list(now)
    while waiting:
        one = waiting.pop()
        if number in one.placed:
            found.add(one)
            continue
        for following in _next(number, one, open_):
            if following not in seen:
                seen.add(following)
                waiting.append(following)
        if len(seen) > _MOST_CONFIGURATIONS:
            raise TooManyError(f'{len(open_)} operations overlap')
    return found


def _next(
    number: int, one: _Configuration, open_: dict[int, Call]
) -> Iterable[_Configuration]:
    """What can be after one more call took effect."""
    following = []
    for i in (number, *open_):
        if i in one.placed:
            continue
        state = open_[i].apply(one.state)
        if state is None:
            continue
        after = _Configuration(state, one.placed | {i})
        if open_[i].reads:
            # To place it at once excludes nothing.
            return [after]
        following.append(after)
    return following
