"""The drill of an outage that only a part of the processes has.

Each conductor reaches the part that is going to be away over a proxy of its
own. Callers with a timeout of 10 seconds look up all services and edit one,
through whichever conductor answers. In the end the conductor that had the
outage must serve alone.
"""

import functools
import signal
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from tests import drills
from tests.outage import account
from tests.outage import fleet
from tests.outage import looker
from tests.servers import process
from tests.servers import proxy
from tests.servers import rabbitmq

DEAD, VICTIM, ISOLATED = fleet.DEAD, fleet.VICTIM, 'isolated'

# Seconds.
TIMEOUT = 10.0

NETWORK = (
    *('refused', 'frozen', 'half-open', 'one-way'),
    *('flapping', 'slow'),
)
DISK_FULL = 'disk-full'
# How a part can be away.
HOWS: Mapping[str, Sequence[str]] = {
    'database': (*NETWORK, *account.HOWS, DISK_FULL),
    'broker': NETWORK,
    'zookeeper': NETWORK,
    'memcached': NETWORK,
    'conductor': ('killed', 'stopped'),
}


def _nothing() -> None:
    """Do nothing."""


class Fault(NamedTuple):
    """What makes an outage.

    :ivar go_on: called each second between begin and end
    """

    begin: Callable[[], None]
    end: Callable[[], None]
    go_on: Callable[[], None] = _nothing


class Result(NamedTuple):
    """The result of the drill.

    :ivar looks: how many look-ups were answered
    :ivar false_downs: how many look-ups and events said down of a live member
    :ivar found_after: seconds from the death of the member that died during
        the outage, or from the end of an outage of all, until it was down
    :ivar longest: the longest time in which no look-up, or no edit, was
        answered
    :ivar found_within: the longest that ``found_after`` may be
    :ivar answered_within: the longest that ``longest`` may be
    :ivar rises: how many look-ups said up of the member that died before
    """

    looks: int
    false_downs: int
    found_after: float
    longest: float
    found_within: float
    answered_within: float
    rises: int

    @property
    def good(self) -> bool:
        return not (
            self.false_downs
            or self.rises
            or self.found_after > self.found_within
            or self.longest > self.answered_within
        )

    def __str__(self) -> str:
        return (
            f'looks {self.looks}, false downs {self.false_downs}, dead found '
            f'after {self.found_after:.1f} s, longest without an answer '
            f'{self.longest:.1f} s'
        )


class PartialDrill(fleet.Fleet):
    """The drill, on servers that run.

    :param part: the part that is going to be away, a key of HOWS
    :param how: how it is, one of the part's HOWS
    :param of_one: who has the outage, 'conductor' or 'member'; None: all
        conductors
    :param driver_server: the ZooKeeper or memcached, if that is the part
    :param seconds: how long the part is away
    :param delay: for how many seconds a slow one holds each chunk of bytes
    :param more: of :class:`fleet.Fleet`
    """

    def __init__(
        self,
        part: str,
        how: str,
        of_one: str | None,
        broker: rabbitmq.RabbitMQ,
        server: Any,
        driver_server: Any = None,
        *,
        seconds: float,
        delay: float = 1.0,
        **more: Any,
    ) -> None:
        super().__init__(broker, server, timeout=TIMEOUT, **more)
        self._part = part
        self._how = how
        self._of_one = of_one
        self._servers = {'broker': broker, 'database': server}
        if driver_server is not None:
            self._servers[part] = driver_server
        self._seconds = seconds
        self._delay = delay
        self._proxies: dict[str, proxy.Proxy] = {}

    @property
    def _affected(self) -> list[str]:
        """The processes that have the outage."""
        if self._of_one == 'member':
            return [ISOLATED]
        return self.conductors[:1] if self._of_one else self.conductors

    def prepare(self) -> None:
        if self._part == 'conductor':
            return
        port = self._servers[self._part].port
        for name in self._affected:
            self._proxies[name] = self.useFixture(
                proxy.Proxy(process.LOOPBACK, port)
            )
        if self._part == 'database':
            self._account = self.useFixture(account.account(self.place.url))
            self._filler = self.useFixture(
                account.account(self.place.url, '_filler')
            )

    def driver_options(self) -> dict[str, Any]:
        if self._part in fleet.DRIVERS:
            return fleet.driver_options(
                self._part, self._servers[self._part].port
            )
        return {}

    def conductor_options(self, name: str) -> dict[str, Any]:
        return {'conductor__host': name, **self._outage_options(name)}

    def member_options(self, name: str) -> dict[str, Any]:
        return self._outage_options(name)

    def _outage_options(self, name: str) -> dict[str, Any]:
        """The options with which a process uses its proxy."""
        if name not in self._proxies:
            return {}
        port = self._proxies[name].port
        if self._part == 'database':
            return {'database__connection': self._account.url(port)}
        if self._part == 'broker':
            real = self._servers['broker'].port
            return {
                'transport_url': self.place.transport_url.replace(
                    f':{real}/', f':{port}/'
                )
            }
        return fleet.driver_options(self._part, port)

    def run(self) -> Result:
        """Run the drill.

        :raises DrillError: if it cannot go on
        """
        self.start_conductors()
        processes = {'members': self.hosts, DEAD: [DEAD], VICTIM: [VICTIM]}
        if self._of_one == 'member':
            processes[ISOLATED] = [ISOLATED]
        self.start_members(processes)
        self._callers = [
            self.lookers[0],
            looker.Editor(self.remote.context, self.hosts[0]),
        ]
        with self.looking(*self.lookers, self._callers[1]):
            return self._watch(self.last_event())

    def _watch(self, marker: int) -> Result:
        self.say(f'{len(self.hosts)} members are up, and two that will die')
        self.let_one_die(marker)
        began = time.monotonic()
        fault = self._fault()
        fault.begin()
        self.say(f'{self._part}: {self._how}, for {", ".join(self._affected)}')
        died_at = self.kill(VICTIM)
        self.say(f'{VICTIM} was killed')
        while (left := began + self._seconds - time.monotonic()) > 0:
            self.wait(min(left, 1.0))
            fault.go_on()
        ended = time.monotonic()
        if self._of_one == 'member' and not self.all_see_down(ISOLATED, began):
            raise drills.DrillError(f'{ISOLATED} was not down')
        fault.end()
        self.say(f'{self._part}: back')
        self.until(
            f'{VICTIM} is down', lambda: self.all_see_down(VICTIM, died_at)
        )
        found = self.found_down(VICTIM, died_at)
        self.say(f'{VICTIM} is down: {self.lookers[0].reasons[VICTIM]}')
        # A wrong verdict may still come within this time.
        self.wait(ended + self.down_after - time.monotonic())
        longest = max(
            each.longest_without_an_answer(began, time.monotonic())
            for each in self._callers
        )
        if self._of_one == 'member':
            self._until_up_again(ended)
        elif self._of_one:
            self._serve_alone()
        self._tell_errors()
        since = died_at if self._of_one else max(died_at, ended)
        outage = 0.0 if self._of_one else self._seconds
        return Result(
            self.lookers[0].looks + self.lookers[1].looks,
            len(self.false_downs(marker)),
            max(0.0, found - since),
            longest,
            # Calls may fail for as long as the timeout, and no longer.
            self.down_after + self.report_interval + TIMEOUT,
            outage + TIMEOUT + fleet.LOOK_TAKES,
            self.rises(DEAD, began),
        )

    def _until_up_again(self, since: float) -> None:
        self.until(
            f'{ISOLATED} is up',
            lambda: all(
                each.ups[ISOLATED][-1] > since for each in self.lookers
            ),
        )
        self.say(f'{ISOLATED} is up again')

    def _serve_alone(self) -> None:
        """Stop all conductors but the one that had the outage."""
        for name in self.conductors[1:]:
            self.processes[name].signal(signal.SIGTERM)
        for name in self.conductors[1:]:
            self.processes[name].wait()
        alone = time.monotonic()
        self.until(
            f'an answer of {self.conductors[0]}',
            lambda: all(each.answered_at > alone for each in self._callers),
        )
        self.say(f'{self.conductors[0]} answers alone')
        self.wait(alone + 1.25 * self.down_after - time.monotonic())

    def _tell_errors(self) -> None:
        for each in self._callers:
            for error, times in each.errors.most_common(5):
                self.say(f'{times} calls failed: {error:.300}')

    def _fault(self) -> Fault:
        if self._how in NETWORK:
            return self._network_fault()
        if self._part == 'conductor':
            return self._process_fault()
        if self._how == DISK_FULL:
            server = self._servers[self._part]
            return Fault(server.fill_disk, functools.partial(_refresh, server))
        if self._how == 'connections' and not self._of_one:
            return Fault(self._fill, self._filler.release)
        return Fault(
            functools.partial(self._account.begin, self._how),
            functools.partial(self._account.end, self._how),
        )

    def _network_fault(self) -> Fault:
        acts: dict[str, Callable[[proxy.Proxy], None]] = {
            'refused': proxy.Proxy.refuse,
            'frozen': proxy.Proxy.freeze,
            'half-open': functools.partial(proxy.Proxy.freeze, new=False),
            'one-way': functools.partial(proxy.Proxy.freeze, to_server=False),
            'flapping': proxy.Proxy.cut,
            'slow': functools.partial(proxy.Proxy.delay, seconds=self._delay),
        }

        def all_of(act: Callable[[proxy.Proxy], None]) -> None:
            for one in self._proxies.values():
                act(one)

        begin = functools.partial(all_of, acts[self._how])
        end = functools.partial(all_of, proxy.Proxy.heal)
        again = begin if self._how == 'flapping' else _nothing
        return Fault(begin, end, again)

    def _process_fault(self) -> Fault:
        (name,) = self._affected
        if self._how == 'killed':
            return Fault(
                self.processes[name].kill,
                functools.partial(self.start_conductors, [name]),
            )
        send = functools.partial(self.signal_conductor, name)
        return Fault(
            functools.partial(send, signal.SIGSTOP),
            functools.partial(send, signal.SIGCONT),
        )

    def _fill(self) -> None:
        self._filler.fill()
        self._account.kill()
        self._filler.fill()


def _refresh(server: Any) -> None:
    """Free the disk of a server, and start it if that was its end."""
    server.free_disk()
    server.start()
