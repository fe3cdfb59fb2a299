"""The application: from a request to a call, and from its end to an answer."""

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
from sgconductor.api import metrics as sg_metrics
from sgconductor.api import microversion
from sgconductor.api import operation

LOG = logging.getLogger(__name__)

_VERSIONED = '/v2.1/'
# The second is what Nova takes too.
_JSON = ('application/json', 'application/vnd.openstack.compute+json')
# Bytes of a body.
_LONGEST = 100_000
_SAFE = frozenset({'GET', 'HEAD', 'OPTIONS'})

Contexts = Callable[..., sg_context.RequestContext]


def make(
    operations: Iterable[operation.Operation],
    contexts: Contexts,
    door: authenticators.Authenticator,
    enforcer: policy.Enforcer,
    metrics: sg_metrics.Metrics,
) -> falcon.App[falcon.Request, falcon.Response]:
    """
    :param contexts: makes a context for calls to the conductor, of what is
        known of who asks
    :param enforcer: has the rules of :mod:`sgconductor.api.policies`
    """
    gate = _Gate(contexts, door, enforcer, metrics)
    app = falcon.App(middleware=[gate])
    app.req_options.strip_url_path_trailing_slash = True
    app.req_options.auto_parse_qs_csv = False
    app.set_error_serializer(_say)
    app.add_error_handler(Exception, _fail)
    by_path: dict[str, list[operation.Operation]] = {}
    for each in operations:
        by_path.setdefault(each.path, []).append(each)
    for path, them in by_path.items():
        resource = _resource(gate, them)
        for spelling in _spellings(path):
            app.add_route(spelling, resource)
    return app


def _spellings(path: str) -> Iterable[str]:
    """The path; and, as in Nova's API, with the project in it.

    Catalogs have it so where they are older than 2.18 of that API.
    """
    yield path
    if path.startswith(_VERSIONED):
        yield path.replace(_VERSIONED, f'{_VERSIONED}{{project_id}}/', 1)


class _Gate:
    """Lets requests in, with a context; and sees them off."""

    def __init__(
        self,
        contexts: Contexts,
        door: authenticators.Authenticator,
        enforcer: policy.Enforcer,
        metrics: sg_metrics.Metrics,
    ) -> None:
        self._contexts = contexts
        self._door = door
        self._enforcer = enforcer
        self._metrics = metrics

    def process_request(self, req: falcon.Request, _: falcon.Response) -> None:
        req.context.since = time.monotonic()
        who = self._door.who(req.env)
        req.context.known = who is not None
        req.context.sg = self._contexts(
            request_id=req.env.get('openstack.request_id'),
            global_request_id=req.env.get('openstack.global_request_id'),
            **(who or {}),
        )

    def process_response(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        resource: object,
        req_succeeded: bool,
    ) -> None:
        status = resp.status_code
        # What Falcon refuses outright has not been let in.
        since = getattr(req.context, 'since', time.monotonic())
        self._metrics.answered(
            # Anything can be sent for a method.
            req.method if req.method in falcon.HTTP_METHODS else 'other',
            req.uri_template or '',
            status,
            time.monotonic() - since,
        )
        # In a path there can be anything, once it is decoded.
        LOG.info('%s %r: %s', req.method, req.relative_uri, status)

    def check(self, req: falcon.Request, rule: str) -> None:
        """
        :raises falcon.HTTPUnauthorized: for nobody known
        :raises falcon.HTTPForbidden: for somebody who may not
        """
        _refuse_other_sites(req)
        context = req.context.sg
        try:
            self._enforcer.authorize(rule, {}, context, do_raise=True)
        except policy.PolicyNotAuthorized:
            if not req.context.known:
                raise falcon.HTTPUnauthorized(
                    description=self._door.refusal,
                    challenges=self._door.challenges,
                ) from None
            raise falcon.HTTPForbidden(
                description=f'Policy does not allow {rule} to '
                f'{context.user_name or context.user_id}.'
            ) from None
        except policy.InvalidScope as error:
            raise falcon.HTTPForbidden(description=str(error)) from None


def _refuse_other_sites(req: falcon.Request) -> None:
    """Let no other site's page act in the name of who looks at it.

    A browser says by itself from where a request comes, and no page can have
    it say otherwise. Other programs say nothing of it.
    https://words.filippo.io/csrf/
    """
    if req.method in _SAFE:
        return
    site = req.get_header('Sec-Fetch-Site')
    origin = req.get_header('Origin')
    if site is None and origin is None:
        return
    ours = (
        site in ('same-origin', 'none')
        if site is not None
        else origin == f'{req.scheme}://{req.netloc}'
    )
    # Only a script of the page itself can send this without being asked
    # about first.
    if not ours or req.get_header('X-Requested-With') != 'sgconductor':
        raise falcon.HTTPForbidden(
            description='A browser sent this for a page that is not of this '
            'site.'
        )


def _resource(
    gate: _Gate, operations: Iterable[operation.Operation]
) -> object:
    """What Falcon takes for the operations of one path."""
    return types.SimpleNamespace(
        **{
            f'on_{one.method.lower()}': functools.partial(_respond, gate, one)
            for one in operations
        }
    )


def _respond(
    gate: _Gate,
    what: operation.Operation,
    req: falcon.Request,
    resp: falcon.Response,
    **path: str,
) -> None:
    # keystonemiddleware adds some that have no value.
    headers = {
        name.lower(): value
        for name, value in req.headers.items()
        if value is not None
    }
    version = None
    if what.path.startswith(_VERSIONED):
        version = _negotiate(headers)
        for name, value in microversion.headers(version).items():
            resp.set_header(name, value)
    gate.check(req, what.rule)
    _check_project(req, path.pop('project_id', None))
    call = operation.Call(
        req.context.sg,
        json_schema.read_query(
            json_schema.at(what.query, version), _pairs(req.params)
        ),
        _body(what, version, req),
        version,
        req.prefix,
        req.path,
        headers,
    )
    _write(resp, what.status, what.handle(call, **path))


def _check_project(req: falcon.Request, named: str | None) -> None:
    """Refuse a URL of another project than that of who asks."""
    known = req.context.sg.project_id
    if named and known and named != known:
        raise falcon.HTTPBadRequest(
            description=f"Malformed request URL: URL's project_id "
            f"'{named:.80}' doesn't match Context's project_id '{known}'"
        )


def _negotiate(headers: Mapping[str, str]) -> Version:
    try:
        return microversion.negotiate(headers)
    except microversion.Malformed as error:
        raise falcon.HTTPBadRequest(description=str(error)) from None
    except microversion.NotSupported as error:
        raise falcon.HTTPNotAcceptable(description=str(error)) from None


def _pairs(params: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name, value in params.items():
        for text in value if isinstance(value, list) else [value]:
            yield name, text


def _body(
    what: operation.Operation, version: Version | None, req: falcon.Request
) -> Any:
    if what.body is None:
        return None
    kind = (req.content_type or '').partition(';')[0].strip().lower()
    if kind not in _JSON:
        raise falcon.HTTPUnsupportedMediaType(
            description=f'The body must be application/json, not '
            f'{kind or "nothing"}.'
        )
    if req.content_length is None:
        raise falcon.HTTPLengthRequired(
            description='The header Content-Length is missing.'
        )
    if req.content_length > _LONGEST:
        raise falcon.HTTPContentTooLarge(
            description=f'The body has {req.content_length} bytes, at most '
            f'{_LONGEST} are taken.'
        )
    try:
        value = json.loads(req.bounded_stream.read())
        json_schema.check(json_schema.at(what.body, version), value, 'body')
    except ValueError as error:
        raise exception.InvalidInput(
            f'the body is no JSON: {str(error):.200}'
        ) from None
    except OSError:
        raise falcon.HTTPError(
            408, description='The body did not come, or not all of it.'
        ) from None
    except RecursionError:
        raise exception.InvalidInput('the body is nested too deep') from None
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


def _say(
    req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError
) -> None:
    """Tell of an error that Falcon knows, or of one of the door's."""
    status = error.status_code
    title = falcon.code_to_http_status(status).partition(' ')[2]
    detail = error.description or f'{title}: {req.method} {req.path:.80}'
    _write_json(
        resp, faults.body(req.path, status, title, detail, _request_id(req))
    )


def _request_id(req: falcon.Request) -> str:
    return str(req.env.get('openstack.request_id', ''))


def _fail(
    req: falcon.Request,
    resp: falcon.Response,
    error: Exception,
    params: Mapping[str, Any],
) -> None:
    """Tell of any other."""
    status = faults.status_of(error)
    detail = str(error)
    if status == 500:
        LOG.error('%s %r failed', req.method, req.path, exc_info=error)
        detail = (
            f'sgconductor failed unexpectedly; its log has the details under '
            f'{_request_id(req)}.'
        )
    raise falcon.HTTPError(
        status,
        description=detail,
        headers=faults.headers(status),
    )
