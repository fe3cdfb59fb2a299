"""The driver zookeeper: each member is an ephemeral node.

::

    ROOT
    └── TOPIC                    quoted
        └── UUID.INCARNATION     lives as long as its member's session

A conductor watches the nodes of the topics that it was asked about, and
answers from memory.
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

# How often to try to create a node while others create and delete it.
_TRIES = 5
# Seconds within which a live member returns to a server that has lost its
# data: a connection times out, the next try succeeds, and the member beats.
_MAX_RETURN_TIME = 6.0

_PERMISSIONS = {
    'c': security.Permissions.CREATE,
    'd': security.Permissions.DELETE,
    'r': security.Permissions.READ,
    'w': security.Permissions.WRITE,
    'a': security.Permissions.ADMIN,
}


class ZooKeeperDriver(driver.Driver):
    """A driver on an ensemble of ZooKeeper servers.

    :param hosts: of the ensemble, as ``host:port,host:port``
    :param root: the path of the node below which all others are
    :param session_timeout: seconds
    :param credentials: ``user:password`` for the scheme digest
    :param acl: kazoo's ACLs for new nodes. By default, only the user may
        access them; if there are no credentials, anybody may.
    :param tls: kazoo's ``ca``, ``certfile`` and ``keyfile``, to connect with
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
        self.patience = max(session_timeout, _MAX_RETURN_TIME)
        # A member reconnects, beats, and may be late.
        self._return_time = 3 * self.interval
        self._root = root
        self._hosts = hosts
        self._session_timeout = session_timeout
        options: dict[str, Any] = {}
        if credentials is not None:
            options['auth_data'] = [('digest', credentials)]
        if tls is not None:
            options |= {'use_ssl': True, 'check_hostname': True, **tls}
        default_acl = list(acl)
        if not default_acl:
            default_acl = (
                security.CREATOR_ALL_ACL
                if credentials
                else security.OPEN_ACL_UNSAFE
            )
        self._make_kazoo = functools.partial(
            kazoo_client.KazooClient,
            hosts,
            session_timeout,
            default_acl=default_acl,
            connection_retry=zookeeper_client.RETRY,
            **options,
        )
        # By process id, for a process and its forked children cannot share a
        # session.
        self._processes: dict[int, _Process] = {}

    def join(self, member: driver.Member) -> None:
        here = self._here
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
                here.sessions[member] = _create(here.client, path, data)
            except kazoo_exceptions.NoNodeError:
                continue
            return
        raise here.client.unreachable(
            f'others created and deleted {path} during {_TRIES} tries'
        )

    def beat(self, member: driver.Member) -> None:
        here = self._here
        if here.sessions.get(member) != here.client.session:
            self.join(member)

    def leave(self, member: driver.Member) -> None:
        here = self._here
        here.sessions.pop(member, None)
        path = self._path(member)
        try:
            here.client.ask(lambda kazoo: kazoo.delete_async(path))
        except kazoo_exceptions.NoNodeError:
            return

    def watch(self) -> None:
        """Connect.

        :raises ConfigError: if the server refuses access
        """
        try:
            self._here.client.ask(
                lambda kazoo: kazoo.get_children_async(self._root)
            )
        except kazoo_exceptions.NoNodeError:
            return

    @property
    def since(self) -> float:
        return self._here.client.connected_at

    def alive(self, members: Collection[driver.Member]) -> driver.Presence:
        here = self._here
        topics = {member.topic for member in members}
        groups = {topic: self._group(topic) for topic in topics}
        try:
            names = here.view.names(groups.values())
        except exception.ConfigError as error:
            # An operator can correct this on the server at any time.
            raise here.client.unreachable(str(error.args[-1])) from None
        present = {
            member
            for member in members
            if _name(member) in names[groups[member.topic]]
        }
        unknown_names = {path: here.view.unknown(path) for path in names}
        all_unknown = bool(here.view.trouble)
        unknown = {
            member
            for member in members
            if member not in present
            and (
                all_unknown
                or _name(member) in unknown_names[groups[member.topic]]
            )
        }
        return driver.Presence(present, unknown)

    @property
    def trouble(self) -> str:
        return self._here.view.trouble

    def explain(self, member: driver.Member) -> str:
        return self._path(member)

    def close(self) -> None:
        self._here.close()

    @property
    def _here(self) -> '_Process':
        pid = os.getpid()
        return self._processes.get(pid) or self._processes.setdefault(
            pid,
            _Process(
                self._return_time,
                self._make_kazoo,
                self._hosts,
                self._session_timeout,
            ),
        )

    def _path(self, member: driver.Member) -> str:
        return f'{self._group(member.topic)}/{_name(member)}'

    def _group(self, topic: str) -> str:
        # No node may be named '.' or '..'.
        quoted = urllib.parse.quote(topic, safe='').replace('.', '%2E')
        return f'{self._root}/{quoted}'


class _Process:
    """The client and the view of one process; they connect when needed.

    :ivar sessions: by member, the session in which its node was created
    """

    def __init__(self, return_time: float, *args: Any) -> None:
        self.client = zookeeper_client.Client(*args)
        self.view = zookeeper_view.View(self.client, return_time)
        self.sessions: dict[driver.Member, int] = {}

    def close(self) -> None:
        self.client.close()
        self.view.close()


def _name(member: driver.Member) -> str:
    return f'{member.uuid}.{member.incarnation}'


def _create(client: zookeeper_client.Client, path: str, data: bytes) -> int:
    """Create a node in this session, unless it has it already.

    :returns: the session. It may have ended meanwhile; the next beat sees it
    :raises NoNodeError: if another client deleted the node meanwhile
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
    """Take a node over from an older session of the same member.

    It is one transaction, so that the node is never missing.
    """

    def delete_and_create(kazoo: Any) -> Any:
        transaction = kazoo.transaction()
        transaction.delete(path)
        transaction.create(path, data, ephemeral=True)
        return transaction.commit_async()

    client.ask(delete_and_create)


def from_conf(conf: cfg.ConfigOpts) -> driver.Driver:
    """The driver that ``[servicegroup_zookeeper]`` describes.

    :raises ConfigError: if it cannot work
    """
    section = conf.servicegroup_zookeeper
    hosts, root = _hosts_and_root(section.hosts, section.root)
    return ZooKeeperDriver(
        hosts,
        root=root,
        session_timeout=section.session_timeout,
        credentials=_credentials(section.user, section.password),
        acl=[_acl(text, section.user) for text in section.acl],
        tls=_tls(section),
    )


def _error(text: str) -> exception.ConfigError:
    return exception.ConfigError(f'[servicegroup_zookeeper] {text}')


def _hosts_and_root(hosts: str, root: str) -> tuple[str, str]:
    """Move a path at the end of the hosts to the start of the root."""
    hosts, _, chroot = hosts.partition('/')
    names = [name for name in f'{chroot}{root}'.split('/') if name]
    if '.' in names or '..' in names:
        raise _error(
            f"the path {'/' + '/'.join(names)!r} of hosts and root must not "
            f"contain '.' or '..'"
        )
    try:
        for host, _ in kazoo_hosts.collect_hosts(hosts)[0]:
            host.encode('idna')
    except ValueError as error:
        raise _error(
            f'hosts {hosts!r} is not host:port,host:port: {error}'
        ) from None
    return hosts, '/' + '/'.join(names)


def _credentials(user: str | None, password: str | None) -> str | None:
    if not user and not password:
        return None
    if not user or not password:
        raise _error('set both user and password, or none of them')
    if ':' in user:
        raise _error(f"user {user!r} must not contain ':'")
    return f'{user}:{password}'


def _acl(text: str, user: str | None) -> security.ACL:
    scheme, _, rest = text.partition(':')
    id_, _, letters = rest.rpartition(':')
    if not scheme or not letters or not set(letters) <= set(_PERMISSIONS):
        raise _error(
            f'acl has {text!r}, which is not scheme:id:permissions, where '
            f'permissions are some of the letters cdrwa'
        )
    if scheme == 'auth' and not user:
        raise _error(f'acl has {text!r}: the scheme auth needs user to be set')
    permissions = sum(_PERMISSIONS[letter] for letter in set(letters))
    return security.ACL(permissions, security.Id(scheme, id_))


def _tls(section: Any) -> dict[str, str | None] | None:
    ca, cert = section.tls_ca_file, section.tls_cert_file
    key = section.tls_key_file or cert
    if not section.tls:
        if ca or key:
            raise _error(
                'tls is off, but tls_ca_file, tls_cert_file or tls_key_file '
                'is set'
            )
        return None
    if key and not cert:
        raise _error('tls_key_file needs tls_cert_file to be set')
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if ca:
            context.load_verify_locations(ca)
        if cert:
            # kazoo would ask the terminal for the password of a key.
            context.load_cert_chain(cert, key, password='')  # noqa: S106
    except OSError as error:
        raise _error(
            f'tls_ca_file {ca!r}, tls_cert_file {cert!r} and tls_key_file '
            f'{key!r} cannot be used: {error}'
        ) from None
    return {'ca': ca, 'certfile': cert, 'keyfile': key}
