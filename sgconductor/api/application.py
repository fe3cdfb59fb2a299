"""The WSGI application: from a request to a call, from its result to an
answer.
"""

import functools
import json
import logging
import time
import types
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

import falcon
from microversion_parse import Version
from oslo_policy import policy

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor.api import authenticators
from sgconductor.api import faults
from sgconductor.api import json_schema
from sgconductor.api import metrics as api_metrics
from sgconductor.api import microversion
from sgconductor.api import operation

LOG = logging.getLogger(__name__)

_NOVA_PREFIX = '/v2.1/'
# Nova accepts the second one too.
_JSON_TYPES = ('application/json', 'application/vnd.openstack.compute+json')
_MAX_BODY = 100_000  # bytes
_SAFE_METHODS = frozenset({'GET', 'HEAD', 'OPTIONS'})

ContextFactory = Callable[..., sg_context.RequestContext]


def make(
    operations: Iterable[operation.Operation],
    make_context: ContextFactory,
    authenticator: authenticators.Authenticator,
    enforcer: policy.Enforcer,
    metrics: api_metrics.Metrics,
) -> falcon.App[falcon.Request, falcon.Response]:
    """
    :param make_context: makes a context for calls to the conductor, of the
        arguments of oslo.context's RequestContext
    :param enforcer: has the rules of :mod:`sgconductor.api.policies`
    """
    middleware = _Middleware(make_context, authenticator, enforcer, metrics)
    app = falcon.App(middleware=[middleware])
    app.req_options.strip_url_path_trailing_slash = True
    app.req_options.auto_parse_qs_csv = False
    app.set_error_serializer(_serialize_error)
    app.add_error_handler(Exception, _handle_exception)
    by_path: dict[str, list[operation.Operation]] = {}
    for one in operations:
        by_path.setdefault(one.path, []).append(one)
    for path, of_path in by_path.items():
        resource = _resource(middleware, of_path)
        for template in _uri_templates(path):
            app.add_route(template, resource)
    return app


def _uri_templates(path: str) -> Iterable[str]:
    """The path, and for Nova's API also the one with a project id.

    Catalogs that were written before its microversion 2.18 have that.
    """
    yield path
    if path.startswith(_NOVA_PREFIX):
        yield path.replace(_NOVA_PREFIX, f'{_NOVA_PREFIX}{{project_id}}/', 1)


class _Middleware:
    """Authenticates, authorizes, counts and logs requests."""

    def __init__(
        self,
        make_context: ContextFactory,
        authenticator: authenticators.Authenticator,
        enforcer: policy.Enforcer,
        metrics: api_metrics.Metrics,
    ) -> None:
        self._make_context = make_context
        self._authenticator = authenticator
        self._enforcer = enforcer
        self._metrics = metrics

    def process_request(self, req: falcon.Request, _: falcon.Response) -> None:
        req.context.started_at = time.monotonic()
        identity = self._authenticator.authenticate(req.env)
        req.context.authenticated = identity is not None
        req.context.sg = self._make_context(
            request_id=req.env.get('openstack.request_id'),
            global_request_id=req.env.get('openstack.global_request_id'),
            **(identity or {}),
        )

    def process_response(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        resource: object,
        req_succeeded: bool,
    ) -> None:
        # Falcon rejects some requests before process_request.
        now = time.monotonic()
        started_at = getattr(req.context, 'started_at', now)
        self._metrics.record(
            # A client can send any word as the method.
            req.method if req.method in falcon.HTTP_METHODS else 'other',
            req.uri_template or '',
            resp.status_code,
            now - started_at,
        )
        # Quoted, since a path can contain newlines.
        LOG.info('%s %r: %s', req.method, req.relative_uri, resp.status_code)

    def authorize(self, req: falcon.Request, rule: str) -> None:
        """
        :raises falcon.HTTPUnauthorized: without authentication
        :raises falcon.HTTPForbidden: if the policy does not allow it
        """
        _refuse_cross_site(req)
        context = req.context.sg
        try:
            self._enforcer.authorize(rule, {}, context, do_raise=True)
        except policy.PolicyNotAuthorized:
            if not req.context.authenticated:
                raise falcon.HTTPUnauthorized(
                    description=self._authenticator.refusal,
                    challenges=self._authenticator.challenges,
                ) from None
            raise falcon.HTTPForbidden(
                description=f'Policy does not allow {rule} to '
                f'{context.user_name or context.user_id}.'
            ) from None
        except policy.InvalidScope as error:
            raise falcon.HTTPForbidden(description=str(error)) from None


def _refuse_cross_site(req: falcon.Request) -> None:
    """Refuse changes that a page of another site makes a browser send.

    Browsers set these headers themselves, and a page cannot change them;
    other clients do not send them. https://words.filippo.io/csrf/
    """
    if req.method in _SAFE_METHODS:
        return
    site = req.get_header('Sec-Fetch-Site')
    origin = req.get_header('Origin')
    if site is None and origin is None:
        return
    same_site = (
        site in ('same-origin', 'none')
        if site is not None
        else origin == f'{req.scheme}://{req.netloc}'
    )
    # For a request of another origin with this header, the browser would
    # ask the server first, and be refused.
    if not same_site or req.get_header('X-Requested-With') != 'sgconductor':
        raise falcon.HTTPForbidden(
            description='A browser sent this request for a page of another '
            'site.'
        )


def _resource(
    middleware: _Middleware, operations: Iterable[operation.Operation]
) -> object:
    """A Falcon resource for the operations of one path."""
    return types.SimpleNamespace(
        **{
            f'on_{one.method.lower()}': functools.partial(
                _responder, middleware, one
            )
            for one in operations
        }
    )


def _responder(
    middleware: _Middleware,
    one: operation.Operation,
    req: falcon.Request,
    resp: falcon.Response,
    **path: str,
) -> None:
    headers = {
        name.lower(): value
        for name, value in req.headers.items()
        # keystonemiddleware adds some without a value.
        if value is not None
    }
    version = None
    if one.path.startswith(_NOVA_PREFIX):
        version = _negotiate(headers)
        for name, value in microversion.headers(version).items():
            resp.set_header(name, value)
    middleware.authorize(req, one.rule)
    _check_project(req, path.pop('project_id', None))
    call = operation.Call(
        req.context.sg,
        json_schema.read_query(
            json_schema.in_version(one.query, version),
            _query_pairs(req.params),
        ),
        _read_body(one, version, req),
        version,
        req.prefix,
        req.path,
        headers,
    )
    _write(resp, one.status, one.handle(call, **path))


def _check_project(req: falcon.Request, project_id: str | None) -> None:
    """Refuse a URL with the id of another project than the caller's."""
    own = req.context.sg.project_id
    if project_id and own and project_id != own:
        raise falcon.HTTPBadRequest(
            description=f"Malformed request URL: URL's project_id "
            f"'{project_id:.80}' doesn't match Context's project_id '{own}'"
        )


def _negotiate(headers: Mapping[str, str]) -> Version:
    try:
        return microversion.negotiate(headers)
    except microversion.Malformed as error:
        raise falcon.HTTPBadRequest(description=str(error)) from None
    except microversion.NotSupported as error:
        raise falcon.HTTPNotAcceptable(description=str(error)) from None


def _query_pairs(params: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name, value in params.items():
        for text in value if isinstance(value, list) else [value]:
            yield name, text


def _read_body(
    one: operation.Operation, version: Version | None, req: falcon.Request
) -> Any:
    if one.body is None:
        return None
    media_type = (req.content_type or '').partition(';')[0].strip().lower()
    if media_type not in _JSON_TYPES:
        raise falcon.HTTPUnsupportedMediaType(
            description=f'The Content-Type must be application/json, not '
            f'{media_type or "empty"}.'
        )
    if req.content_length is None:
        raise falcon.HTTPLengthRequired(
            description='The header Content-Length is missing.'
        )
    if req.content_length > _MAX_BODY:
        raise falcon.HTTPContentTooLarge(
            description=f'The body has {req.content_length} bytes; at most '
            f'{_MAX_BODY} are allowed.'
        )
    try:
        value = json.loads(req.bounded_stream.read())
        json_schema.validate(
            json_schema.in_version(one.body, version), value, 'body'
        )
    except ValueError as error:
        raise exception.InvalidInput(
            f'the body is not JSON: {str(error):.200}'
        ) from None
    except OSError:
        raise falcon.HTTPError(
            408, description='The body did not arrive in time.'
        ) from None
    except RecursionError:
        raise exception.InvalidInput('the body is nested too deeply') from None
    return value


def _write(resp: falcon.Response, status: int, result: Any) -> None:
    resp.status = status
    if isinstance(result, operation.Content):
        resp.content_type = result.type
        for name, value in result.headers.items():
            resp.set_header(name, value)
        if isinstance(result.body, bytes):
            resp.data = result.body
        else:
            resp.stream = result.body
    elif result is not None:
        _write_json(resp, result)


def _write_json(resp: falcon.Response, value: Any) -> None:
    resp.content_type = falcon.MEDIA_JSON
    resp.data = json.dumps(value).encode()


def _serialize_error(
    req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError
) -> None:
    """Write the body for any HTTP error, raised here or by Falcon."""
    status = error.status_code
    title = falcon.code_to_http_status(status).partition(' ')[2]
    detail = error.description or f'{title}: {req.method} {req.path:.80}'
    _write_json(
        resp, faults.body(req.path, status, title, detail, _request_id(req))
    )


def _request_id(req: falcon.Request) -> str:
    return str(req.env.get('openstack.request_id', ''))


def _handle_exception(
    req: falcon.Request,
    resp: falcon.Response,
    error: Exception,
    params: Mapping[str, Any],
) -> None:
    """Turn any other exception into an HTTP error."""
    status = faults.status_of(error)
    detail = str(error)
    if status == 500:
        LOG.error('%s %r failed', req.method, req.path, exc_info=error)
        detail = (
            f'sgconductor failed unexpectedly; the log of the API has the '
            f'details under {_request_id(req)}.'
        )
    raise falcon.HTTPError(
        status,
        description=detail,
        headers=faults.headers(status),
    )
