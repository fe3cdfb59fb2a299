"""The driver memcache: a key per process, which expires unless renewed.

``sgconductor/UUID/INCARNATION`` is there while the service's process of that
incarnation is; its value tells people the host and the binary. Services are
spread over the servers by rendezvous hashing. A server that is away costs its
own members their voice: they are not moved to another, where those who look
could not know of them.
"""

import collections
import functools
import json
import re
import ssl
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Sequence

from oslo_config import cfg
from pymemcache.client import rendezvous

from sgconductor import exception
from sgconductor.servicegroup import driver
from sgconductor.servicegroup.drivers import memcache_markers
from sgconductor.servicegroup.drivers import memcache_server

# Of how many services the server is remembered.
_PLACES = 2**16

_ADDRESS = re.compile(r'(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]]+)):(\d{1,5})')


def from_conf(conf: cfg.ConfigOpts) -> driver.Driver:
    """The driver that ``[servicegroup_memcache]`` describes.

    :raises ConfigError: if it cannot work
    """
    group = conf.servicegroup_memcache
    return MemcacheDriver(
        _addresses(group.servers),
        group.interval,
        group.ttl,
        group.timeout,
        _tls_context(group) if group.tls else None,
    )


_EMPTIED = 'it is new, was emptied or was away, and members are coming back'


class MemcacheDriver(driver.Driver):
    """
    :param addresses: hosts and ports of the servers
    :param interval: seconds between two beats
    :param ttl: seconds for which a key lasts
    :param timeout: seconds to wait for a server, to connect or to answer
    :param tls_context: None for connections in the clear
    :raises ConfigError: if ttl is too short
    """

    name = 'memcache'

    def __init__(
        self,
        addresses: Iterable[tuple[str, int]],
        interval: float,
        ttl: int,
        timeout: float,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self.interval = interval
        self.patience = float(ttl)
        self._ttl = ttl
        self._markers = memcache_markers.Markers.of(interval, ttl, timeout)
        servers = [
            memcache_server.Server(host, port, timeout, tls_context)
            for host, port in addresses
        ]
        self._servers = {str(server): server for server in servers}
        self._keepers = [
            memcache_markers.Keeper(server, self._markers)
            for server in servers
        ]
        self._ring = rendezvous.RendezvousHash(list(self._servers))
        # Why a server could not tell, when it was last asked.
        self._mute: dict[str, str] = {}
        self._place = functools.lru_cache(_PLACES)(self._ring.get_node)

    @property
    def trouble(self) -> str:
        mute = sorted(self._mute.items())
        return '; '.join(f'{server}: {why}' for server, why in mute if why)

    def join(self, member: driver.Member) -> None:
        value = json.dumps({'host': member.host, 'binary': member.binary})
        self._server(member).insist(
            lambda client: client.set(
                _key(member), value, expire=self._ttl, noreply=False
            )
        )

    def leave(self, member: driver.Member) -> None:
        self._server(member).ask(
            lambda client: client.delete(_key(member), noreply=False)
        )

    def watch(self) -> None:
        away = []
        for keeper in self._keepers:
            try:
                keeper.start()
            except exception.DriverUnreachable as error:
                away.append(error)
        if len(away) == len(self._keepers):
            raise _joined(away)

    def alive(self, members: Collection[driver.Member]) -> driver.Presence:
        alive: set[driver.Member] = set()
        unknown: set[driver.Member] = set()
        away = []
        asked = self._by_server(members)
        for server, theirs in asked.items():
            look = functools.partial(self._markers.look, keys=theirs)
            try:
                found, telling = server.ask(look)
                self._mute[str(server)] = '' if telling else _EMPTIED
            except exception.DriverUnreachable as error:
                away.append(error)
                found, telling = frozenset(), False
                self._mute[str(server)] = str(error.args[-1])
            for key, member in theirs.items():
                if key in found:
                    alive.add(member)
                elif not telling:
                    unknown.add(member)
        if away and len(away) == len(asked):
            raise _joined(away)
        return driver.Presence(alive, unknown)

    def explain(self, member: driver.Member) -> str:
        return f'memcached {self._server(member)}, key {_key(member)}'

    def close(self) -> None:
        for keeper in self._keepers:
            keeper.stop()
        for server in self._servers.values():
            server.close()

    def _server(self, member: driver.Member) -> memcache_server.Server:
        if len(self._servers) == 1:
            return next(iter(self._servers.values()))
        return self._servers[self._place(member.uuid)]

    def _by_server(
        self, members: Iterable[driver.Member]
    ) -> dict[memcache_server.Server, dict[str, driver.Member]]:
        """The members of each server, by their keys."""
        found: dict[memcache_server.Server, dict[str, driver.Member]] = (
            collections.defaultdict(dict)
        )
        for member in members:
            found[self._server(member)][_key(member)] = member
        return found


def _key(member: driver.Member) -> str:
    return f'sgconductor/{member.uuid}/{member.incarnation}'


def _joined(
    away: Sequence[exception.DriverUnreachable],
) -> exception.DriverUnreachable:
    """The errors of all servers as one."""
    _, places, whys = zip(*(error.args for error in away), strict=True)
    return exception.DriverUnreachable(
        'memcache', ', '.join(places), '; '.join(dict.fromkeys(whys))
    )


def _addresses(servers: Sequence[str]) -> list[tuple[str, int]]:
    """The hosts and ports that the option names."""
    found: dict[tuple[str, int], str] = {}
    for server in servers:
        match = _ADDRESS.fullmatch(server)
        if match is None or not 0 < int(match[3]) < 2**16:
            raise exception.ConfigError(
                f'[servicegroup_memcache] servers has {server!r}, which is '
                f'not host:port or [IPv6]:port.'
            )
        address = (match[1] or match[2]).lower(), int(match[3])
        if address in found:
            raise exception.ConfigError(
                f'[servicegroup_memcache] servers names {server!r} twice.'
            )
        found[address] = server
    if not found:
        raise exception.ConfigError(
            '[servicegroup_memcache] servers is empty.'
        )
    return list(found)


def _tls_context(group: cfg.ConfigOpts.GroupAttr) -> ssl.SSLContext:
    """What the options on TLS come to."""
    certificate, key = group.tls_cert_file, group.tls_key_file
    try:
        context = ssl.create_default_context(cafile=group.tls_ca_file)
        if certificate or key:
            context.load_cert_chain(certificate or key, key)
    except OSError as error:
        raise exception.ConfigError(
            f'[servicegroup_memcache] cannot use tls_ca_file '
            f'{group.tls_ca_file!r}, tls_cert_file {certificate!r}, '
            f'tls_key_file {key!r}: {error}'
        ) from None
    return context
