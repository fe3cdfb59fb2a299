"""The drill of a database whose clock is set, forward or back.

One member dies before the step, one just before it, and one after it; all
others live on. In a fail-over the database is away for a while too, and comes
back with the other clock.
"""

import time
from typing import Any
from typing import NamedTuple

from tests.outage import fleet
from tests.servers import clock
from tests.servers import rabbitmq

DEAD, DYING, VICTIM = fleet.DEAD, 'dies-at-the-step', fleet.VICTIM

# Seconds for which the database is away in a fail-over.
_AWAY = 3.0


class Result(NamedTuple):
    """The result of the drill.

    :ivar step: seconds
    :ivar looks: how many look-ups were answered
    :ivar false_downs: how many look-ups and events said down of a live member
    :ivar found_after: seconds from the step, or from the death of the member
        that died after it, until each of the two was down in look-ups and in
        an event; the longest of these
    :ivar found_within: the longest that this may be
    :ivar rises: how many look-ups and events said up of a dead member
    """

    step: float
    looks: int
    false_downs: int
    found_after: float
    found_within: float
    rises: int

    @property
    def good(self) -> bool:
        return not (
            self.false_downs
            or self.rises
            or self.found_after > self.found_within + fleet.LOOK_TAKES
        )

    def __str__(self) -> str:
        return (
            f'step {self.step:+g} s, looks {self.looks}, false downs '
            f'{self.false_downs}, dead found after {self.found_after:.1f} s'
        )


class ClockDrill(fleet.Fleet):
    """The drill, on servers that run.

    :param server: a database server with a clock of its own
    :param step: seconds; negative to set the clock back
    :param fail_over: whether the database is away meanwhile
    :param more: of :class:`fleet.Fleet`
    """

    def __init__(
        self,
        broker: rabbitmq.RabbitMQ,
        server: Any,
        step: float,
        *,
        fail_over: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(broker, server, **more)
        assert server.clock is not None
        self._server = server
        self._clock: clock.Clock = server.clock
        self._step = step
        self._fail_over = fail_over

    def run(self) -> Result:
        """Run the drill.

        :raises DrillError: if it cannot go on
        """
        self.start_conductors()
        self.start_members(
            {
                'members': self.hosts,
                **{name: [name] for name in (DEAD, DYING, VICTIM)},
            }
        )
        marker = self.last_event()
        with self.looking(*self.lookers):
            return self._watch(marker)

    def _watch(self, marker: int) -> Result:
        self.say(f'{len(self.hosts)} members are up, and three that will die')
        self.let_one_die(marker)
        dead_since = time.monotonic()
        self.kill(DYING)
        self._set_clock()
        stepped = time.monotonic()
        self.say(f'the clock of the database is set by {self._step:+g} s')
        died = self.kill(VICTIM)
        found = [
            self._found(DYING, stepped, marker) - stepped,
            self._found(VICTIM, died, marker) - died,
        ]
        # A wrong verdict may still come within this time.
        self.wait(stepped + 2 * self.down_after - time.monotonic())
        return Result(
            self._step,
            sum(each.looks for each in self.lookers),
            len(self.false_downs(marker)),
            max(found),
            self.down_after + self.report_interval,
            self._rises(dead_since, marker),
        )

    def _set_clock(self) -> None:
        if self._fail_over:
            self._server.kill()
            self.wait(_AWAY)
        self._clock.step(self._step)
        if self._fail_over:
            self._server.start()

    def _found(self, host: str, since: float, marker: int) -> float:
        """When look-ups and an event had said that a member is down."""
        self.until(f'{host} is down', lambda: self.all_see_down(host, since))
        self.until(
            f'the event that {host} is down',
            lambda: any(name == host for name, _ in self.down_events(marker)),
        )
        now = time.monotonic()
        self.say(f'{host} is down: {self.lookers[0].reasons[host]}')
        return now

    def _rises(self, dead_since: float, marker: int) -> int:
        events = [
            host
            for type_, host, _ in self.events_since(marker)
            if type_ == 'service.up'
        ]
        for host in events:
            self.say(f'{host} had an event service.up')
        return self.rises(DEAD, dead_since) + len(events)
