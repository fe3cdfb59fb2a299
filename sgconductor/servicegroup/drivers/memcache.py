"""The driver memcache: each member is a key that expires unless it is renewed.

The key is ``sgconductor/UUID/INCARNATION``; its value has the host and the
binary, for people. Services are spread over the servers by rendezvous
hashing. While a server is away, its members are unknown. They do not move to
another server, for nobody would look for them there.
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

# For how many services the server is cached.
_CACHE_SIZE = 2**16

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


_EMPTIED = 'it is new, was emptied or was away; members are still returning'


class MemcacheDriver(driver.Driver):
    """A driver on one or more memcached.

    :param addresses: hosts and ports of the servers
    :param interval: seconds between two beats of a member
    :param ttl: seconds after which a key expires
    :param timeout: seconds to wait for a connection or an answer
    :param tls_context: None for connections without TLS
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
        # By server: why its last answer told nothing about absent members.
        self._troubles: dict[str, str] = {}
        self._server_name = functools.lru_cache(_CACHE_SIZE)(
            self._ring.get_node
        )

    @property
    def trouble(self) -> str:
        troubles = sorted(self._troubles.items())
        return '; '.join(f'{server}: {why}' for server, why in troubles if why)

    def join(self, member: driver.Member) -> None:
        value = json.dumps({'host': member.host, 'binary': member.binary})
        self._server(member).try_request(
            lambda client: client.set(
                _key(member), value, expire=self._ttl, noreply=False
            )
        )

    def leave(self, member: driver.Member) -> None:
        self._server(member).request(
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
            raise _combined(away)

    def alive(self, members: Collection[driver.Member]) -> driver.Presence:
        alive: set[driver.Member] = set()
        unknown: set[driver.Member] = set()
        away = []
        asked = self._by_server(members)
        for server, theirs in asked.items():
            read = functools.partial(self._markers.read, keys=theirs)
            try:
                found, complete = server.request(read)
                self._troubles[str(server)] = '' if complete else _EMPTIED
            except exception.DriverUnreachable as error:
                away.append(error)
                found, complete = frozenset(), False
                self._troubles[str(server)] = str(error.args[-1])
            for key, member in theirs.items():
                if key in found:
                    alive.add(member)
                elif not complete:
                    unknown.add(member)
        if away and len(away) == len(asked):
            raise _combined(away)
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
        return self._servers[self._server_name(member.uuid)]

    def _by_server(
        self, members: Iterable[driver.Member]
    ) -> dict[memcache_server.Server, dict[str, driver.Member]]:
        """For each server, its members by their keys."""
        found: dict[memcache_server.Server, dict[str, driver.Member]] = (
            collections.defaultdict(dict)
        )
        for member in members:
            found[self._server(member)][_key(member)] = member
        return found


def _key(member: driver.Member) -> str:
    return f'sgconductor/{member.uuid}/{member.incarnation}'


def _combined(
    away: Sequence[exception.DriverUnreachable],
) -> exception.DriverUnreachable:
    """One error for those of all servers."""
    _, places, whys = zip(*(error.args for error in away), strict=True)
    return exception.DriverUnreachable(
        'memcache', ', '.join(places), '; '.join(dict.fromkeys(whys))
    )


def _addresses(servers: Sequence[str]) -> list[tuple[str, int]]:
    """The hosts and ports in the option ``servers``."""
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
    """The TLS context that the options describe."""
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
