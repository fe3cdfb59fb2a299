"""The REST API, put together."""

from collections.abc import Callable
from typing import Any

from keystonemiddleware import auth_token
from oslo_config import cfg
from oslo_middleware import catch_errors
from oslo_middleware import healthcheck
from oslo_middleware import http_proxy_to_wsgi
from oslo_middleware import request_id
from oslo_policy import policy

from sgconductor import exception
from sgconductor import metrics as sg_metrics
from sgconductor import objects
from sgconductor.api import application
from sgconductor.api import authenticators
from sgconductor.api import event_hub
from sgconductor.api import events
from sgconductor.api import headers
from sgconductor.api import keystone
from sgconductor.api import metrics
from sgconductor.api import policies
from sgconductor.api import routes
from sgconductor.app import client
from sgconductor.rpcapi import deadline

# Seconds in which a call ends that has waited in vain.
_MOMENT = 0.2
# A Keystone that stands still is to take no thread for long; by themselves
# these have no end, and four times that.
_KEYSTONE = {'http_connect_timeout': 5, 'http_request_max_retries': 0}
# As many as can wait for a broker that stands still, before none is sent.
_CALLS_AT_ONCE = 64

Wrap = Callable[[headers.Wsgi], headers.Wsgi]


class Api:
    """The API as a WSGI application; it holds no database.

    :param conf: with ``transport_url``, the options of
        :mod:`sgconductor.conf` and, for keystone, ``[keystone_authtoken]``
    :raises ConfigError: for a configuration that cannot work
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        errors = metrics.Errors()
        self._remote = client.Remote(
            conf,
            conf.api.conductor_timeout,
            lambda api: deadline.Deadline(
                api, api.timeout + _MOMENT, _CALLS_AT_ONCE, errors.count
            ),
        )
        told = metrics.Metrics(sg_metrics.Group(self._remote.context), errors)
        self._feed = event_hub.EventHub(self._fetch, conf.api.event_streams)
        try:
            self._wsgi = _pipeline(conf, self._remote, self._feed, told)
        except BaseException:
            self._remote.close()
            raise

    def __call__(
        self, environ: authenticators.Environ, start_response: Any
    ) -> Any:
        # Servers may leave out what is empty; webob takes it to be there.
        environ.setdefault('PATH_INFO', '')
        return self._wsgi(environ, start_response)

    def stop(self) -> None:
        """End the streams of events, so that the server can stop."""
        self._feed.close()

    def close(self) -> None:
        """Give the connections back."""
        self._remote.close()

    def _fetch(self, limit: int, marker: int | None) -> objects.EventList:
        context = self._remote.context()
        return objects.EventList.get_page(context, limit, marker)


def _pipeline(
    conf: cfg.ConfigOpts,
    remote: client.Remote,
    read: event_hub.EventHub,
    told: metrics.Metrics,
) -> headers.Wsgi:
    """What a request goes through, from the last to the first.

    :param read: by all streams of events
    :param told: to Prometheus
    """
    door, wrap = _door(conf)
    stream = events.Stream(read)
    wsgi: headers.Wsgi = application.make(
        routes.table(stream, told),
        remote.context,
        door,
        _enforcer(conf),
        told,
    )
    wsgi = wrap(wsgi)
    wsgi = _beside(wsgi, '/healthcheck', healthcheck.Healthcheck(None, conf))
    wsgi = catch_errors.CatchErrors(wsgi, conf)
    wsgi = headers.add(wsgi)
    wsgi = http_proxy_to_wsgi.HTTPProxyToWSGI(wsgi, conf)
    # Outside of all others: whatever answers has an id.
    return request_id.RequestId(wsgi, conf)


def _enforcer(conf: cfg.ConfigOpts) -> policy.Enforcer:
    enforcer = policy.Enforcer(conf)
    enforcer.register_defaults(policies.list_rules())
    try:
        enforcer.load_rules()
        enforcer.check_rules(raise_on_violation=True)
    # Whatever a file can make it raise.
    except Exception as error:
        raise exception.ConfigError(
            f'[oslo_policy] policy_file {conf.oslo_policy.policy_file} cannot '
            f'be used: {error}'
        ) from None
    return enforcer


def _beside(
    wsgi: headers.Wsgi, path: str, other: headers.Wsgi
) -> headers.Wsgi:
    """Have one path answered by another application."""

    def either(environ: authenticators.Environ, start_response: Any) -> Any:
        chosen = other if environ['PATH_INFO'] == path else wsgi
        return chosen(environ, start_response)

    return either


def _door(conf: cfg.ConfigOpts) -> tuple[authenticators.Authenticator, Wrap]:
    """The door, and what has to stand before it."""
    if conf.api.auth_strategy == 'noauth':
        anywhere = conf.api.let_everybody_on_the_network_be_admin
        return authenticators.NoAuth(anywhere), lambda wsgi: wsgi
    if conf.api.auth_strategy == 'http_basic':
        door = authenticators.HttpBasic(
            conf.api.http_basic_user_file, conf.api.http_basic_admins
        )
        return door, lambda wsgi: wsgi
    for group, opts in auth_token.list_opts():
        conf.register_opts(opts, group)
        for name, value in _KEYSTONE.items():
            conf.set_default(name, value, group)
    options = {
        # Some of what is here is for everybody: the door decides.
        'delay_auth_decision': 'true',
        'oslo_config_config': conf,
    }
    return authenticators.Keystone(), lambda wsgi: keystone.Middleware(
        wsgi, options
    )
