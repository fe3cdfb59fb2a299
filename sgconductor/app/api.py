"""The REST API, assembled."""

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
from sgconductor.api import metrics as api_metrics
from sgconductor.api import policies
from sgconductor.api import routes
from sgconductor.app import client
from sgconductor.rpcapi import deadline

# Seconds that a call gets beyond its timeout to report that timeout itself.
_GRACE = 0.2
# keystonemiddleware has no timeout by default, and retries three times; a
# Keystone that hangs would block a thread for long.
_KEYSTONE_DEFAULTS = {
    'http_connect_timeout': 5,
    'http_request_max_retries': 0,
}
# While the broker hangs, so many calls wait for it; further ones fail.
_MAX_CALLS = 64

Wrap = Callable[[headers.Wsgi], headers.Wsgi]


class Api:
    """The API as a WSGI application; it has no database.

    :param conf: with ``transport_url``, the options of
        :mod:`sgconductor.conf` and, for keystone, ``[keystone_authtoken]``
    :raises ConfigError: for a configuration that cannot work
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        errors = api_metrics.Errors()
        self._remote = client.Remote(
            conf,
            conf.api.conductor_timeout,
            lambda api: deadline.Deadline(
                api, api.timeout + _GRACE, _MAX_CALLS, errors.count
            ),
        )
        metrics = api_metrics.Metrics(
            sg_metrics.Group(self._remote.context), errors
        )
        self._event_hub = event_hub.EventHub(
            self._fetch_events, conf.api.event_streams
        )
        try:
            self._wsgi = _pipeline(
                conf, self._remote, self._event_hub, metrics
            )
        except BaseException:
            self._remote.close()
            raise

    def __call__(
        self, environ: authenticators.Environ, start_response: Any
    ) -> Any:
        # WSGI servers may omit an empty PATH_INFO; webob needs it.
        environ.setdefault('PATH_INFO', '')
        return self._wsgi(environ, start_response)

    def stop(self) -> None:
        """End the event streams, so that the server can stop."""
        self._event_hub.close()

    def close(self) -> None:
        """Close the connections."""
        self._remote.close()

    def _fetch_events(
        self, limit: int, marker: int | None
    ) -> objects.EventList:
        context = self._remote.context()
        return objects.EventList.get_page(context, limit, marker)


def _pipeline(
    conf: cfg.ConfigOpts,
    remote: client.Remote,
    hub: event_hub.EventHub,
    metrics: api_metrics.Metrics,
) -> headers.Wsgi:
    """The application and its WSGI middleware, innermost first."""
    authenticator, wrap = _authentication(conf)
    event_stream = events.EventStream(hub)
    wsgi: headers.Wsgi = application.make(
        routes.operations(event_stream, metrics),
        remote.context,
        authenticator,
        _enforcer(conf),
        metrics,
    )
    wsgi = wrap(wsgi)
    wsgi = _mount(wsgi, '/healthcheck', healthcheck.Healthcheck(None, conf))
    wsgi = catch_errors.CatchErrors(wsgi, conf)
    wsgi = headers.add(wsgi)
    wsgi = http_proxy_to_wsgi.HTTPProxyToWSGI(wsgi, conf)
    # Outermost, so that every answer has a request id.
    return request_id.RequestId(wsgi, conf)


def _enforcer(conf: cfg.ConfigOpts) -> policy.Enforcer:
    enforcer = policy.Enforcer(conf)
    enforcer.register_defaults(policies.list_rules())
    try:
        enforcer.load_rules()
        enforcer.check_rules(raise_on_violation=True)
    # A malformed file makes oslo.policy raise many types of errors.
    except Exception as error:
        raise exception.ConfigError(
            f'[oslo_policy] policy_file {conf.oslo_policy.policy_file} cannot '
            f'be used: {error}'
        ) from None
    return enforcer


def _mount(wsgi: headers.Wsgi, path: str, other: headers.Wsgi) -> headers.Wsgi:
    """Have another application answer one path."""

    def dispatch(environ: authenticators.Environ, start_response: Any) -> Any:
        chosen = other if environ['PATH_INFO'] == path else wsgi
        return chosen(environ, start_response)

    return dispatch


def _authentication(
    conf: cfg.ConfigOpts,
) -> tuple[authenticators.Authenticator, Wrap]:
    """The authenticator, and the WSGI middleware that it depends on."""
    if conf.api.auth_strategy == 'noauth':
        anywhere = conf.api.let_everybody_on_the_network_be_admin
        return authenticators.NoAuth(anywhere), lambda wsgi: wsgi
    if conf.api.auth_strategy == 'http_basic':
        http_basic = authenticators.HttpBasic(
            conf.api.http_basic_user_file, conf.api.http_basic_admins
        )
        return http_basic, lambda wsgi: wsgi
    for group, opts in auth_token.list_opts():
        conf.register_opts(opts, group)
        for name, value in _KEYSTONE_DEFAULTS.items():
            conf.set_default(name, value, group)
    options = {
        # Some paths need no token, so the authenticator decides.
        'delay_auth_decision': 'true',
        'oslo_config_config': conf,
    }
    return authenticators.Keystone(), lambda wsgi: keystone.Middleware(
        wsgi, options
    )
