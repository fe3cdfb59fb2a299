"""The driver zookeeper: each member is an ephemeral node.

::

    ROOT
    └── TOPIC                    quoted
        └── UUID.INCARNATION     lives as long as its member's session

A conductor watches the groups it was asked about, and answers from memory.
"""

import functools
import json
import os
import ssl
import urllib.parse
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from kazoo import client as kazoo_client
from kazoo import exceptions as kazoo_exceptions
from kazoo import hosts as kazoo_hosts
from kazoo import security
from oslo_config import cfg

from sgconductor import exception
from sgconductor.servicegroup import driver
from sgconductor.servicegroup.drivers import zookeeper_client
from sgconductor.servicegroup.drivers import zookeeper_view

# How often a node is tried to be made while others make and remove it.
_TRIES = 5
# Seconds that a live member may need to be back at a server that has lost its
# data: for a server that does not greet, for the next try, and for its beat.
_COMING_BACK = 6.0

_PERMISSIONS = {
    'c': security.Permissions.CREATE,
    'd': security.Permissions.DELETE,
    'r': security.Permissions.READ,
    'w': security.Permissions.WRITE,
    'a': security.Permissions.ADMIN,
}


class ZooKeeperDriver(driver.Driver):
    """
    :param hosts: of the ensemble, as ``host:port,host:port``
    :param root: path of the node below which all is
    :param session_timeout: seconds
    :param credentials: ``user:password`` for the scheme digest
    :param acl: kazoo's ACLs for new nodes; by default they belong to the
        user, or without one to anybody
    :param tls: kazoo's ``ca``, ``certfile`` and ``keyfile``, to connect by
        TLS
    """

    name = 'zookeeper'

    def __init__(
        self,
        hosts: str,
        *,
        root: str = '/sgconductor',
        session_timeout: float = 10,
        credentials: str | None = None,
        acl: Sequence[security.ACL] = (),
        tls: Mapping[str, str | None] | None = None,
    ) -> None:
        self.interval = min(1.0, session_timeout / 4)
        self.patience = max(session_timeout, _COMING_BACK)
        self._root = root
        self._hosts = hosts
        self._session_timeout = session_timeout
        options: dict[str, Any] = {}
        if credentials is not None:
            options['auth_data'] = [('digest', credentials)]
        if tls is not None:
            options |= {'use_ssl': True, 'check_hostname': True, **tls}
        mine = security.CREATOR_ALL_ACL
        open_ = security.OPEN_ACL_UNSAFE
        self._dial = functools.partial(
            kazoo_client.KazooClient,
            hosts,
            session_timeout,
            default_acl=list(acl) or (mine if credentials else open_),
            connection_retry=zookeeper_client.RETRY,
            **options,
        )
        # A session is a process's own: a child that is forked opens another.
        self._seats: dict[int, _Seat] = {}

    def join(self, member: driver.Member) -> None:
        seat = self._seat
        path = self._path(member)
        data = json.dumps(
            {
                'host': member.host,
                'binary': member.binary,
                'topic': member.topic,
                'incarnation': member.incarnation,
            }
        ).encode()
        for _ in range(_TRIES):
            try:
                seat.sessions[member] = _create(seat.client, path, data)
            except kazoo_exceptions.NoNodeError:
                continue
            return
        raise seat.client.unreachable(f'{path} comes and goes')

    def beat(self, member: driver.Member) -> None:
        seat = self._seat
        if seat.sessions.get(member) != seat.client.session:
            self.join(member)

    def leave(self, member: driver.Member) -> None:
        seat = self._seat
        seat.sessions.pop(member, None)
        path = self._path(member)
        try:
            seat.client.ask(lambda kazoo: kazoo.delete_async(path))
        except kazoo_exceptions.NoNodeError:
            return

    def watch(self) -> None:
        """
        :raises ConfigError: if the server refuses the conductor
        """
        try:
            self._seat.client.ask(
                lambda kazoo: kazoo.get_children_async(self._root)
            )
        except kazoo_exceptions.NoNodeError:
            return

    @property
    def since(self) -> float:
        return self._seat.client.connected_at

    def alive(self, members: Collection[driver.Member]) -> driver.Presence:
        seat = self._seat
        topics = {member.topic for member in members}
        groups = {topic: self._group(topic) for topic in topics}
        try:
            names = seat.view.names(groups.values())
        except exception.ConfigError as error:
            # As good as silence, until somebody puts it right.
            raise seat.client.unreachable(str(error.args[-1])) from None
        return driver.Presence(
            frozenset(
                member
                for member in members
                if _name(member) in names[groups[member.topic]]
            )
        )

    def explain(self, member: driver.Member) -> str:
        return self._path(member)

    def close(self) -> None:
        self._seat.close()

    @property
    def _seat(self) -> '_Seat':
        pid = os.getpid()
        return self._seats.get(pid) or self._seats.setdefault(
            pid, _Seat(self._dial, self._hosts, self._session_timeout)
        )

    def _path(self, member: driver.Member) -> str:
        return f'{self._group(member.topic)}/{_name(member)}'

    def _group(self, topic: str) -> str:
        # No node may be named '.' or '..'.
        quoted = urllib.parse.quote(topic, safe='').replace('.', '%2E')
        return f'{self._root}/{quoted}'


class _Seat:
    """What one process has of a driver; nothing is open at first.

    :ivar sessions: by member, the session that its node was made in
    """

    def __init__(self, *args: Any) -> None:
        self.client = zookeeper_client.Client(*args)
        self.view = zookeeper_view.View(self.client)
        self.sessions: dict[driver.Member, int] = {}

    def close(self) -> None:
        self.client.close()
        self.view.close()


def _name(member: driver.Member) -> str:
    return f'{member.uuid}.{member.incarnation}'


def _create(client: zookeeper_client.Client, path: str, data: bytes) -> int:
    """Have the node be there, in this session.

    :returns: the session; one that has just ended is found out later
    :raises NoNodeError: if the node went away meanwhile
    """
    session = client.session
    try:
        client.ask(
            lambda kazoo: kazoo.create_async(
                path, data, ephemeral=True, makepath=True
            )
        )
    except kazoo_exceptions.NodeExistsError:
        _, stat = client.ask(lambda kazoo: kazoo.get_async(path))
        if stat.ephemeralOwner != session:
            _replace(client, path, data)
    return session


def _replace(client: zookeeper_client.Client, path: str, data: bytes) -> None:
    """Take the node over from an older session of the same member.

    In one step, so that nobody sees it gone.
    """

    def exchange(kazoo: Any) -> Any:
        transaction = kazoo.transaction()
        transaction.delete(path)
        transaction.create(path, data, ephemeral=True)
        return transaction.commit_async()

    client.ask(exchange)


def from_conf(conf: cfg.ConfigOpts) -> driver.Driver:
    """The driver that ``[servicegroup_zookeeper]`` describes.

    :raises ConfigError: if it cannot work
    """
    section = conf.servicegroup_zookeeper
    hosts, root = _place(section.hosts, section.root)
    return ZooKeeperDriver(
        hosts,
        root=root,
        session_timeout=section.session_timeout,
        credentials=_credentials(section.user, section.password),
        acl=[_acl(text, section.user) for text in section.acl],
        tls=_tls(section),
    )


def _problem(text: str) -> exception.ConfigError:
    return exception.ConfigError(f'[servicegroup_zookeeper] {text}')


def _place(hosts: str, root: str) -> tuple[str, str]:
    """The hosts alone, and the root with the path of the hosts."""
    hosts, _, chroot = hosts.partition('/')
    names = [name for name in f'{chroot}{root}'.split('/') if name]
    if '.' in names or '..' in names:
        raise _problem("a path has '.' or '..' in it")
    try:
        for host, _ in kazoo_hosts.collect_hosts(hosts)[0]:
            host.encode('idna')
    except ValueError as error:
        raise _problem(f'hosts: {hosts!r} cannot be read: {error}') from None
    return hosts, '/' + '/'.join(names)


def _credentials(user: str | None, password: str | None) -> str | None:
    if not user and not password:
        return None
    if not user or not password:
        raise _problem('user and password go together')
    if ':' in user:
        raise _problem("user has ':' in it, which ends a name")
    return f'{user}:{password}'


def _acl(text: str, user: str | None) -> security.ACL:
    scheme, _, rest = text.partition(':')
    id_, _, letters = rest.rpartition(':')
    if not scheme or not letters or not set(letters) <= set(_PERMISSIONS):
        raise _problem(
            f'acl: {text!r} is not scheme:id:permissions, with some of the '
            f'letters cdrwa as permissions'
        )
    if scheme == 'auth' and not user:
        raise _problem(f'acl: {text!r} means user, and there is none')
    permissions = sum(_PERMISSIONS[letter] for letter in set(letters))
    return security.ACL(permissions, security.Id(scheme, id_))


def _tls(section: Any) -> dict[str, str | None] | None:
    ca, cert = section.tls_ca_file, section.tls_cert_file
    key = section.tls_key_file or cert
    if not section.tls:
        if ca or key:
            raise _problem('tls_… files are given, but tls is off')
        return None
    if key and not cert:
        raise _problem('tls_key_file is of no use without tls_cert_file')
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if ca:
            context.load_verify_locations(ca)
        if cert:
            # kazoo would ask the terminal for the password of a key.
            context.load_cert_chain(cert, key, password='')  # noqa: S106
    except OSError as error:
        raise _problem(
            f'tls_ca_file {ca!r}, tls_cert_file {cert!r} and tls_key_file '
            f'{key!r} cannot be used: {error}'
        ) from None
    return {'ca': ca, 'certfile': cert, 'keyfile': key}
