"""The clients of the cluster drill, each a thread with its own connection."""

import abc
import collections
import itertools
import random
import threading
import time
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple
from typing import TypeVar

from oslo_utils import uuidutils

from sgconductor import app
from sgconductor import exception
from sgconductor import objects
from sgconductor.rpcapi import event_tail

T = TypeVar('T')

MEMBER, GUEST, HELD = 'acme-worker', 'acme-guest', 'acme-held'
HELD_VERSION = 9
WRITES = ('edit', 'join', 'leave', 'delete', 'hold')


class Call(NamedTuple):
    """One call of a client.

    :ivar began: by the monotonic clock, as ``ended``
    :ivar error: the class of the error, '' if it was answered
    """

    client: str
    verb: str
    began: float
    ended: float
    error: str


class Down(NamedTuple):
    """The verdict of a look-up on a service that was down.

    :ivar began: when the look-up began
    :ivar ended: when it was answered
    """

    began: float
    ended: float
    host: str
    reason: str


class Life(NamedTuple):
    """The time in which a member is certainly alive, by the monotonic clock.

    :ivar since: when it had joined
    :ivar until: when it began to leave
    """

    host: str
    since: float
    until: float


class Journal:
    """What all clients did and saw; lists only grow.

    :ivar calls: all calls
    :ivar looks: how many look-ups were answered
    :ivar downs: of whom a look-up said down, and why
    :ivar bugs: unexpected errors of clients
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.looks = 0
        self.downs: list[Down] = []
        self.bugs: list[str] = []
        self._counting = threading.Lock()

    def look(self, began: float, services: Sequence[objects.Service]) -> None:
        """Record the answer to a look-up.

        :param began: when the look-up began
        """
        now = time.monotonic()
        self.downs += [
            Down(began, now, service.host, service.liveness_reason)
            for service in services
            if not service.is_up
        ]
        with self._counting:
            self.looks += 1

    def silences(
        self,
        since: float,
        until: float,
        client: str = '',
        verbs: Collection[str] = (),
    ) -> Iterator[tuple[float, float]]:
        """The times between two answers.

        :param client: to one client; default: to any
        :param verbs: to these calls; default: to all
        """
        answered = sorted(
            call.ended
            for call in list(self.calls)
            if not call.error
            and since < call.ended < until
            and client in ('', call.client)
            and (not verbs or call.verb in verbs)
        )
        return itertools.pairwise([since, *answered, until])

    def longest_silence(self, *which: Any, **more: Any) -> float:
        """The longest of :meth:`silences`, in seconds."""
        return max(b - a for a, b in self.silences(*which, **more))

    def failures(self, since: float, until: float) -> dict[str, int]:
        """How many calls failed that ended in a time, by error."""
        return collections.Counter(
            call.error
            for call in list(self.calls)
            if call.error and since < call.ended <= until
        )


class Client(abc.ABC):
    """A thread that makes one step after another until it is stopped.

    :param remote: a connection of its own
    """

    PAUSE = 0.3

    def __init__(
        self, name: str, remote: app.Remote, journal: Journal
    ) -> None:
        self.name = name
        self._remote = remote
        self._journal = journal
        self._over = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=name, daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask it to stop, without waiting for that."""
        self._over.set()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self.PAUSE):
            try:
                self._step()
            except exception.SGConductorError:
                continue  # The journal has it.
            except Exception as error:
                self._journal.bugs.append(f'{self.name}: {error!r}')

    def _call(self, verb: str, call: Callable[[], T]) -> T:
        """Make a call, and record whether it was answered.

        :raises SGConductorError: as the call does
        """
        began = time.monotonic()
        error = ''
        try:
            return call()
        except Exception as failed:
            error = type(failed).__name__
            raise
        finally:
            self._journal.calls.append(
                Call(self.name, verb, began, time.monotonic(), error)
            )

    @abc.abstractmethod
    def _step(self) -> None: ...


class Lister(Client):
    """Looks up all members."""

    def _step(self) -> None:
        def walk() -> list[objects.Service]:
            return list(
                objects.ServiceList.walk(self._remote.context(), binary=MEMBER)
            )

        began = time.monotonic()
        self._journal.look(began, self._call('list', walk))


class Asker(Client):
    """Looks up one live member after another."""

    PAUSE = 0.1

    def __init__(
        self,
        name: str,
        remote: app.Remote,
        journal: Journal,
        hosts: Sequence[str],
    ) -> None:
        super().__init__(name, remote, journal)
        self._hosts = itertools.cycle(hosts)

    def _step(self) -> None:
        host = next(self._hosts)

        def get() -> objects.Service:
            return objects.Service.get_by_host_and_binary(
                self._remote.context(), host, MEMBER
            )

        began = time.monotonic()
        self._journal.look(began, [self._call('get', get)])


class Comer(Client):
    """Members that join, stay for a while, and leave, one after the other.

    :ivar lives: of those that have left
    """

    PAUSE = 1.0
    # Longer than a servicegroup driver may take to know a new member.
    STAYS = 8.0

    def __init__(
        self, name: str, remote: app.Remote, journal: Journal
    ) -> None:
        super().__init__(name, remote, journal)
        self._numbers = itertools.count(1)
        self.lives: list[Life] = []

    def _step(self) -> None:
        host = f'{self.name}-{next(self._numbers)}'
        member = self._remote.membership(host, MEMBER, 'worker', 1)
        try:
            self._call('come', lambda: member.join(timeout=60))
            joined = time.monotonic()
            self._over.wait(self.STAYS)
            self.lives.append(Life(host, joined, time.monotonic()))
        finally:
            member.leave()


class Write(NamedTuple):
    """A write of a client.

    :ivar key: what was written: a host or a binary
    :ivar value: the value that it has after that
    :ivar at: when it was acknowledged, by the monotonic clock; None if it
        was not, and so may have been done, or be done later
    :ivar number: the incarnation or the epoch that the answer had
    """

    key: str
    value: str
    at: float | None
    number: int = 0


class Writer(Client):
    """A client that writes what nobody else writes.

    :ivar writes: in order
    """

    def __init__(
        self, name: str, remote: app.Remote, journal: Journal
    ) -> None:
        super().__init__(name, remote, journal)
        self.writes: list[Write] = []

    def _write(
        self, verb: str, key: str, value: str, call: Callable[[], int]
    ) -> int:
        """Write, and record it.

        :param call: returns the number of the answer
        :raises SGConductorError: as the call does
        """
        try:
            number = self._call(verb, call)
        except exception.SGConductorError:
            # Even "not found": a call that is repeated may have been done.
            self.writes.append(Write(key, value, None))
            raise
        self.writes.append(Write(key, value, time.monotonic(), number))
        return number


class Editor(Writer):
    """Edits its share of the live members."""

    def __init__(
        self,
        name: str,
        remote: app.Remote,
        journal: Journal,
        hosts: Sequence[str],
    ) -> None:
        super().__init__(name, remote, journal)
        self._hosts = itertools.cycle(hosts)
        self._numbers = itertools.count(1)

    def _step(self) -> None:
        host, zone = next(self._hosts), f'zone-{next(self._numbers)}'

        def edit() -> int:
            service = objects.Service(
                self._remote.context(), host=host, binary=MEMBER
            )
            service.update({'availability_zone': zone})
            return int(service.incarnation)

        self._write('edit', host, zone, edit)


class Joiner(Writer):
    """Lets services join, join again, leave, and be deleted.

    The value of a write is 'joined', 'left' or 'deleted'.
    """

    def __init__(
        self, name: str, remote: app.Remote, journal: Journal
    ) -> None:
        super().__init__(name, remote, journal)
        self._numbers = itertools.count(1)

    def _step(self) -> None:
        number = next(self._numbers)
        host = f'{self.name}-{number}'
        # The pin of the binary rises with the versions.
        service = objects.Service(
            self._remote.context(),
            host=host,
            binary=GUEST,
            topic='guest',
            version=1 + number // 4,
            report_interval=1,
            down_after=3600,
        )

        def join() -> int:
            service.join(uuidutils.generate_uuid())
            return int(service.incarnation)

        def leave() -> int:
            service.leave()
            return int(service.incarnation)

        def destroy() -> int:
            service.destroy()
            return 0

        self._write('join', host, 'joined', join)
        if number % 2:
            self._write('join', host, 'joined', join)
        if number % 3:
            self._write('leave', host, 'left', leave)
        if number % 4:
            self._write('delete', host, 'deleted', destroy)


class Holder(Writer):
    """Holds a pin, at one version after the other, and releases it.

    The value of a write is the version, '' for none; its number is the epoch.

    :param random_: chooses the versions
    """

    def __init__(
        self,
        name: str,
        remote: app.Remote,
        journal: Journal,
        random_: random.Random,
    ) -> None:
        super().__init__(name, remote, journal)
        self._random = random_
        self._last = ''

    def _step(self) -> None:
        versions = ['', *map(str, range(1, HELD_VERSION))]
        versions.remove(self._last)
        value = self._last = self._random.choice(versions)

        def hold() -> int:
            pin = objects.Pin(self._remote.context(), binary=HELD)
            if value:
                pin.hold(int(value))
            else:
                pin.release()
            return int(pin.epoch)

        self._write('hold', HELD, value, hold)


class Observer(Client):
    """Reads the pins in force.

    :ivar epochs: that it has seen, in order, with the time of each
    """

    def __init__(
        self, name: str, remote: app.Remote, journal: Journal
    ) -> None:
        super().__init__(name, remote, journal)
        self.epochs: list[tuple[float, int]] = []

    def _step(self) -> None:
        def read() -> int:
            answer = objects.PinList.in_force(self._remote.context())
            return int(answer['epoch'])

        epoch = self._call('pins', read)
        self.epochs.append((time.monotonic(), epoch))


class Tail(Client):
    """Follows the events, as ``sgconductor-manage watch`` does.

    :ivar uuids: of all events seen, in order
    """

    def __init__(
        self, name: str, remote: app.Remote, journal: Journal
    ) -> None:
        super().__init__(name, remote, journal)
        self.uuids: list[str] = []
        self._tail = event_tail.EventTail(self._fetch, event_tail.PAGE)

    def _fetch(
        self, limit: int, marker: int | None
    ) -> Sequence[objects.Event]:
        def read() -> objects.EventList:
            return objects.EventList.get_page(
                self._remote.context(), limit, marker
            )

        return self._call('events', read).objects

    def _step(self) -> None:
        for event in self._tail.poll():
            self.uuids.append(event.uuid)
