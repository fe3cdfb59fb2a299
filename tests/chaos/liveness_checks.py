"""Checks of liveness: nobody alive is down, and the dead are found."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

from tests.chaos import history as sg_history
from tests.chaos import violation

Violation = violation.Violation

# Seconds that a look-up itself may take, and the sweep before an event.
_LOOK_TAKES = 2.0
# Of the records that show how a member was down, the first ones.
_SHOWN = 5


def nobody_alive_is_down(history: sg_history.History) -> Iterator[Violation]:
    """No look-up and no event says that a live member is down."""
    name = 'nobody alive is down'
    answered = [one for one in history.of_kind('look') if one.outcome == 'ok']
    for life in history.lives:
        end = float('inf') if life.killed is None else life.killed
        looks = [
            one
            for one in answered
            if life.host in one.answer['down']
            and life.joined <= one.begin
            and one.end <= end
        ]
        if looks:
            reason = looks[0].answer['down'][life.host]
            faults = _faults_before(history, looks[0].begin)
            yield Violation(
                name,
                f'{life.host} was down in {len(looks)} look-ups: {reason}',
                [*faults, *looks[:_SHOWN]],
            )
    for host, events in _down_events(history).items():
        deaths = sum(
            life.host == host and life.killed is not None
            for life in history.lives
        )
        if len(events) > deaths:
            yield Violation(
                name,
                f'{host} died {deaths} times and has {len(events)} events '
                f'service.down',
                events[:_SHOWN],
            )


def the_dead_are_found_in_time(
    history: sg_history.History,
) -> Iterator[Violation]:
    """A member that was killed is down in time.

    That is when it is dead and nothing is away for down_after and one report
    interval.
    """
    looks = [one for one in history.of_kind('look') if one.outcome == 'ok']
    for life in history.lives:
        if life.killed is None:
            continue
        due = _due(history, life.killed) + _LOOK_TAKES
        late = [
            one
            for one in looks
            if one.begin > due
            and life.host not in one.answer['down']
            and not _joined_again(history, life, one)
        ]
        if late:
            yield Violation(
                'the dead are found in time',
                f'{life.host} was killed at {life.killed:.1f} s, and not '
                f'down at {due:.1f} s',
                [life, *_faults_before(history, due), *late[:_SHOWN]],
            )


def look_ups_are_answered_again(
    history: sg_history.History,
) -> Iterator[Violation]:
    """After each fault, look-ups are answered again."""
    for fault in history.faults:
        if fault.recovered is None:
            yield Violation(
                'look-ups are answered again',
                f'not in time after {fault.name} of {fault.target}',
                [fault],
            )


def _due(history: sg_history.History, killed: float) -> float:
    """When a member that was killed must be down.

    :returns: infinity if it was never quiet for long enough
    """
    quiet = sum(history.pace)
    begin = killed
    for fault in sorted(history.faults, key=lambda fault: fault.begin):
        recovered = fault.recovered
        if recovered is None:
            return float('inf')
        if fault.begin < begin + quiet and recovered > begin:
            begin = recovered
    return begin + quiet


def _joined_again(
    history: sg_history.History,
    life: sg_history.Life,
    look: sg_history.Operation,
) -> bool:
    return any(
        other.host == life.host
        and other is not life
        and life.joined < other.joined <= look.end + _LOOK_TAKES
        for other in history.lives
    )


def _down_events(
    history: sg_history.History,
) -> dict[str, list[sg_history.Event]]:
    """The events service.down of members, by host."""
    hosts: dict[str, list[sg_history.Event]] = {
        life.host: [] for life in history.lives
    }
    for event in history.events:
        if event.type == 'service.down' and event.service['host'] in hosts:
            hosts[event.service['host']].append(event)
    return hosts


def _faults_before(
    history: sg_history.History, at: float
) -> list[sg_history.Fault]:
    """The last faults that began before a moment."""
    before = [fault for fault in history.faults if fault.begin < at]
    return before[-2:]


PROPERTIES: Sequence[Callable[[sg_history.History], Iterator[Violation]]] = (
    nobody_alive_is_down,
    the_dead_are_found_in_time,
    look_ups_are_answered_again,
)
