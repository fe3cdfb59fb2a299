"""A check of linearizability: whether operations fit one order.

An operation takes effect at one moment between its begin and its end. Here
all orders are tried together, as in "Testing for linearizability" by Gavin
Lowe (2017): the possible states are followed from one end of an operation to
the next, and an operation is placed only when another one needs it.
"""

import collections
import dataclasses
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from collections.abc import Set
from typing import Any
from typing import NamedTuple

# Of the states that an error names.
_MOST_STATES = 3
# More than these, and the check is given up as too long.
_MOST_CONFIGURATIONS = 50_000


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


class _Found:
    """Configurations, without those that others make needless.

    An optional call that was not placed may still be placed, or never. So of
    two configurations that differ in nothing but that, the one with more of
    them placed can do nothing that the other cannot.

    :param optional: the numbers of the optional calls
    """

    def __init__(self, optional: Set[int]) -> None:
        self._optional = optional
        self._least: dict[_Configuration, list[frozenset[int]]] = {}
        self.count = 0

    def add(self, one: _Configuration) -> bool:
        """
        :returns: whether it is needed
        """
        some = one.placed & self._optional
        key = _Configuration(one.state, one.placed - self._optional)
        least = self._least.setdefault(key, [])
        if any(other <= some for other in least):
            return False
        kept = [other for other in least if not some < other]
        self.count += 1 + len(kept) - len(least)
        self._least[key] = [*kept, some]
        return True

    def __iter__(self) -> Iterator[_Configuration]:
        for key, least in self._least.items():
            for some in least:
                yield _Configuration(key.state, key.placed | some)


def find_failure(calls: Sequence[Call], initial: Any) -> Failure | None:
    """Find the first operation that fits no order.

    :param initial: the state before all of them
    :returns: None if there is an order in which all fit
    :raises TooManyError: if too many operations overlap
    """
    optional = {i for i, call in enumerate(calls) if not call.must}
    open_: dict[int, Call] = {}
    now = [_Configuration(initial, frozenset())]
    for number, ends in _moments(calls):
        call = calls[number]
        if not ends:
            open_[number] = call
            continue
        after = list(_with(number, now, open_, optional))
        if not call.must:
            after += [one for one in now if number not in one.placed]
        del open_[number]
        if not after:
            states = [one.state for one in now][:_MOST_STATES]
            return Failure(call, states, list(open_.values()))
        found = _Found(optional)
        for one in after:
            found.add(one._replace(placed=one.placed - {number}))
        now = list(found)
    return None


def _moments(calls: Sequence[Call]) -> Iterable[tuple[int, bool]]:
    """Each call twice: at its begin, and (True) at its end."""
    moments = []
    for number, call in enumerate(calls):
        moments.append((call.begin, False, number))
        moments.append((call.end, True, number))
    return [(number, ends) for _, ends, number in sorted(moments)]


def _with(
    number: int,
    now: Sequence[_Configuration],
    open_: Mapping[int, Call],
    optional: Set[int],
) -> Iterator[_Configuration]:
    """All that can be once a call took effect, and others before it."""
    seen = _Found(optional)
    waiting = collections.deque(
        one for one in sorted(now, key=_size) if seen.add(one)
    )
    while waiting:
        one = waiting.popleft()
        if number in one.placed:
            yield one
            continue
        waiting += filter(seen.add, _next(number, one, open_))
        if seen.count > _MOST_CONFIGURATIONS:
            raise TooManyError(f'{len(open_)} operations overlap')


def _size(one: _Configuration) -> int:
    return len(one.placed)


def _next(
    number: int, one: _Configuration, open_: Mapping[int, Call]
) -> list[_Configuration]:
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
