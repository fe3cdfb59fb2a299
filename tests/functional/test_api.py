"""/v1 over HTTP; tests/gabbits has what single requests can show."""

import json
from collections.abc import Iterator
from typing import Any
from unittest import mock
from wsgiref import util

import fixtures
import requests

from sgconductor import context as sg_context
from sgconductor.api import event_hub
from sgconductor.api import events
from sgconductor.api import metrics
from sgconductor.api import routes
from sgconductor.app import api
from sgconductor.rpcapi import conductor
from tests import site
from tests.functional import base

# Around the depths at which Python's JSON parser, and then jsonschema, fail.
DEEP = (200, 480, 980, 985, 987, 988, 989, 990, 995)
UUID = '5d1d6a55-0a4f-4d8c-9a3d-2f1c39a4c1de'


class ApiTest(base.ConductorTest):
    scenarios = [base.EMBEDDED]

    def setUp(self) -> None:
        super().setUp()
        self.url = self.useFixture(site.Site(self.deployment)).url

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        url = path if path.startswith('http') else f'{self.url}{path}'
        return requests.request(method, url, timeout=base.PATIENCE, **more)

    def good(self, method: str, path: str, **more: Any) -> Any:
        answer = self.ask(method, path, **more)
        self.assertIn(answer.status_code, (200, 204), answer.text)
        return answer.json() if answer.content else None

    def bad(self, status: int, method: str, path: str, **more: Any) -> str:
        """The detail of an error."""
        answer = self.ask(method, path, **more)
        self.assertEqual(status, answer.status_code, answer.text)
        self.assertNotIn('Traceback', answer.text)
        (error,) = answer.json()['errors']
        self.assertEqual(status, error['status'])
        self.assertEqual(
            answer.headers['x-openstack-request-id'], error['request_id']
        )
        detail: str = error['detail']
        return detail

    def path(self, host: str = 'node1') -> str:
        return f'/v1/services/{self.get_service(host).uuid}'


class TestServices(ApiTest):
    def listed(self, **query: Any) -> list[str]:
        """The hosts on all pages of a list."""
        found = []
        page = self.good('GET', '/v1/services', params=query)
        while True:
            found += [one['host'] for one in page['services']]
            if not page['links']:
                return [host for host in found if host != 'conductor1']
            ((link),) = page['links']
            page = self.good('GET', link['href'])

    def test_fields_of_a_service(self) -> None:
        self.member(version=7)
        told = self.good('GET', self.path())
        self.assertEqual(
            ('node1', 'acme-worker', 'worker', 7, 1, 'up', '', True),
            tuple(
                told[name]
                for name in (
                    *('host', 'binary', 'topic', 'version', 'incarnation'),
                    *('liveness', 'liveness_reason', 'is_up'),
                )
            ),
        )
        self.assertNotIn('id', told)
        self.assertEqual(
            [{'rel': 'self', 'href': f'{self.url}{self.path()}'}],
            told['links'],
        )
        (listed,) = self.good(
            'GET', '/v1/services', params={'binary': 'acme-worker'}
        )['services']
        for name in ('last_seen_up', 'report_count', 'pin_epoch'):
            del told[name], listed[name]
        self.assertEqual(told, listed)

    def test_filters_and_pages(self) -> None:
        with self.deployment.db.writer() as conn:
            for i in range(5):
                base.join(conn, f'node{i}', topic=('a', 'b')[i % 2])
        every = [f'node{i}' for i in range(5)]
        self.good('PATCH', self.path('node0'), json={'disabled': True})
        self.good('PATCH', self.path('node3'), json={'forced_down': True})
        for query, hosts in (
            ({}, every),
            ({'limit': 2}, every),
            ({'limit': 1000, 'binary': 'acme-worker'}, every),
            ({'limit': 1, 'topic': 'b'}, ['node1', 'node3']),
            ({'limit': 2, 'is_up': 'true', 'topic': 'b'}, ['node1']),
            ({'is_up': 'false'}, ['node3']),
            ({'disabled': 'true'}, ['node0']),
            ({'host': 'nowhere'}, []),
        ):
            self.assertEqual(hosts, self.listed(**query), str(query))

    def test_a_page_is_one_select_with_its_filters(self) -> None:
        seen = self.record_statements()
        self.listed(limit=10, topic='worker', disabled='false')
        (select,) = seen
        self.assertRegex(select, r'WHERE .*topic.*disabled|disabled.*topic')
        self.assertIn('LIMIT', select)

    def test_changes(self) -> None:
        self.member()
        change = {'disabled': True, 'disabled_reason': '<b>disk</b>'}
        told = self.good('PATCH', self.path(), json=change)
        self.assertEqual('<b>disk</b>', told['disabled_reason'])
        told = self.good('PATCH', self.path(), json={'forced_down': True})
        self.assertEqual('down', told['liveness'])
        told = self.good('PATCH', self.path(), json={'quarantined': True})
        self.assertTrue(told['quarantined'])
        told = self.good(
            'PATCH',
            self.path(),
            json={
                'disabled': False,
                'forced_down': False,
                'quarantined': False,
                'availability_zone': 'west',
            },
        )
        self.assertEqual(
            (False, None, False, False, 'west', 'up'),
            tuple(
                told[name]
                for name in (
                    *('disabled', 'disabled_reason', 'forced_down'),
                    *('quarantined', 'availability_zone', 'liveness'),
                )
            ),
        )

    def test_conflicts_change_nothing(self) -> None:
        self.member()
        said = self.bad(409, 'PATCH', self.path(), json={'quarantined': True})
        self.assertIn('is up', said)
        said = self.bad(
            409, 'PATCH', self.path(), json={'disabled_reason': 'disk'}
        )
        self.assertIn('is enabled', said)
        change: dict[str, Any] = {'disabled': True, 'quarantined': True}
        self.bad(409, 'PATCH', self.path(), json=change)
        self.assertFalse(self.get_service().disabled)
        change = {
            'forced_down': True,
            'quarantined': True,
            'availability_zone': 'west\n',
        }
        self.bad(400, 'PATCH', self.path(), json=change)
        self.assertFalse(self.get_service().quarantined)
        change = {'forced_down': True, 'quarantined': True}
        self.assertTrue(
            self.good('PATCH', self.path(), json=change)['quarantined']
        )

    def test_evidence(self) -> None:
        self.member()
        told = self.good('GET', f'{self.path()}/evidence')
        self.assertEqual('node1', told['service']['host'])
        *_, last = told['evidence']
        self.assertEqual(
            ('verdict', 'up'), (last['source'], last['speaks_for'])
        )


class TestInput(ApiTest):
    def test_things_that_do_not_exist(self) -> None:
        for path in (
            '/v1/services/nonsense',
            f'/v1/services/{UUID}',
            f'/v1/services/{UUID}/evidence',
            '/v1/services/%00',
            '/v1/services/' + 'x' * 3000,
            '/v1/pins/nothing',
            '/v1/what-if?without=nowhere',
            '/v1/pins/no%2Fthing',
            '/v1/nothing',
            '/static/nothing.js',
            '/static/..%2Fpage.py',
            '/nothing',
        ):
            self.bad(404, 'GET', path)

    def test_invalid_queries(self) -> None:
        for path, word in (
            ('/v1/services?limit=0', 'limit'),
            ('/v1/services?limit=1001', 'limit'),
            ('/v1/services?limit=ten', 'limit'),
            ('/v1/services?limit=' + '9' * 5000, 'limit'),
            ('/v1/services?limit=-1', 'limit'),
            ('/v1/services?marker=x', 'marker'),
            ('/v1/services?marker=99999999999', 'marker'),
            ('/v1/services?is_up=perhaps', 'is_up'),
            ('/v1/services?colour=red', 'colour'),
            ('/v1/services?host=a%20b', 'host'),
            ('/v1/services?host=' + 'a' * 300, 'host'),
            ('/v1/services?host=%ff%00', 'host'),
            ('/v1/pins?limit=1', 'limit'),
            ('/v1/what-if', 'without'),
            ('/v1/events?marker=-1', 'marker'),
        ):
            said = self.bad(400, 'GET', path)
            self.assertIn(word, said)
            self.assertLess(len(said), 1000)

    def test_invalid_bodies(self) -> None:
        self.member()
        path = self.path()
        for body, status in (
            ('', 400),
            ('{', 400),
            ('[' * 100_000, 400),
            ('[]', 400),
            ('null', 400),
            ('{}', 400),
            ('{"disabled": "yes"}', 400),
            ('{"disabled": NaN}', 400),
            *((f'{{"disabled": {"[" * n}{"]" * n}}}', 400) for n in DEEP),
            ('{"colour": 1}', 400),
            ('{"disabled": true, "disabled_reason": "\\ud800"}', 400),
            ('{"disabled": true, "disabled_reason": "\\u0000"}', 400),
            (json.dumps({'availability_zone': 'x' * 256}), 400),
            (b'{"availability_zone": "\xff"}', 400),
            (json.dumps({'availability_zone': 'x' * 200_000}), 413),
        ):
            self.bad(
                status,
                'PATCH',
                path,
                data=body,
                headers={'Content-Type': 'application/json'},
            )
        self.bad(415, 'PATCH', path, data='disabled=true')
        self.assertFalse(self.get_service().disabled)

    def test_odd_requests(self) -> None:
        for method, path, headers, status in (
            ('GET', '/v1/pins', {'Host': '['}, 401),
            ('WEBSOCKET', '/v1/pins', {}, 400),
            ('GET', '/v1/no%0Athing', {}, 404),
            ('GET', '/v1/pins', {'X-Forwarded-For': '192.0.2.1'}, 401),
        ):
            self.bad(status, method, path, headers=headers)
        # The newline is escaped in the log.
        self.assertEqual(1, self.logged(r'/v1/no\nthing'))
        told = self.good('GET', '/v1', headers={'Accept': '*/*'})
        self.assertIn(self.url, told['version']['links'][0]['href'])


class TestWsgi(ApiTest):
    """What WSGI servers other than cheroot may do."""

    def call(self, **more: Any) -> str:
        """The status of an answer."""
        wsgi = api.Api(self.deployment.conf(api__auth_strategy='noauth'))
        self.addCleanup(wsgi.close)
        environ: dict[str, Any] = {
            'REMOTE_ADDR': '127.0.0.1',
            'HTTP_HOST': 'localhost',
            **more,
        }
        util.setup_testing_defaults(environ)
        if not more.get('PATH_INFO'):
            del environ['PATH_INFO']
        statuses: list[str] = []

        def start(status: str, headers: Any, error: Any = None) -> None:
            statuses.append(status)

        answer = wsgi(environ, start)
        self.assertNotIn(b'Traceback', b''.join(answer))
        return statuses[-1]

    def test_path_info_may_be_missing(self) -> None:
        self.assertEqual('200 OK', self.call())

    def test_body_that_does_not_arrive(self) -> None:
        self.member()
        body = mock.Mock()
        body.read.side_effect = TimeoutError
        status = self.call(
            **{
                'REQUEST_METHOD': 'PATCH',
                'PATH_INFO': self.path(),
                'CONTENT_TYPE': 'application/json',
                'CONTENT_LENGTH': '20',
                'wsgi.input': body,
            }
        )
        self.assertEqual('408 Request Timeout', status)


class TestCalls(ApiTest):
    """How many calls to conductors a request makes."""

    def setUp(self) -> None:
        super().setUp()
        self.calls: dict[str | None, list[str]] = {}
        for method in ('object_action', 'object_class_action_versions'):
            self.record(method)

    def record(self, method: str) -> None:
        """Record the calls of a method of the client, by request id."""
        original = getattr(conductor.ConductorAPI, method)

        def recording(
            client: conductor.ConductorAPI,
            context: sg_context.RequestContext,
            target: Any,
            objmethod: str,
            *more: Any,
        ) -> Any:
            self.calls.setdefault(context.request_id, []).append(objmethod)
            return original(client, context, target, objmethod, *more)

        self.useFixture(
            fixtures.MonkeyPatch(
                f'sgconductor.rpcapi.conductor.ConductorAPI.{method}',
                recording,
            )
        )

    def check(
        self, called: str, method: str, path: str, version: str, body: Any
    ) -> None:
        answer = self.ask(
            method,
            path,
            json=body,
            headers={'OpenStack-API-Version': f'compute {version}'},
        )
        self.assertIn(answer.status_code, (200, 204), answer.text)
        request_id = answer.headers['x-openstack-request-id']
        self.assertEqual([called], self.calls[request_id], f'{method} {path}')

    def test_each_change_is_one_call(self) -> None:
        self.member('node1')
        self.member('node2')
        one, other = self.get_service('node1'), self.get_service('node2')
        names = {'host': 'node1', 'binary': 'acme-worker'}
        every = {
            'availability_zone': 'west',
            'disabled': True,
            'disabled_reason': 'disk',
            'forced_down': True,
            'quarantined': True,
        }
        service = '/v1/services/{uuid}'
        nova = '/v2.1/os-services/{id}'
        hold = '/v1/pins/{binary}/hold'
        changes: tuple[tuple[str, str, str, Any, str, Any], ...] = (
            ('update', 'PATCH', service, one.uuid, '', every),
            ('update', 'PATCH', service, one.uuid, '', {'disabled': False}),
            ('update', 'PUT', nova, 'disable', '2.1', names),
            (
                *('update', 'PUT', nova, 'force-down', '2.52'),
                {**names, 'forced_down': False},
            ),
            ('update', 'PUT', nova, one.uuid, '2.53', {'status': 'enabled'}),
            ('hold', 'PUT', hold, 'acme-worker', '', {'version': 0}),
            ('release', 'DELETE', hold, 'acme-worker', '', None),
            ('destroy', 'DELETE', nova, one.id, '2.52', None),
            ('destroy', 'DELETE', service, other.uuid, '', None),
        )
        for called, method, path, key, version, body in changes:
            name = path.partition('{')[2].partition('}')[0]
            self.check(
                called,
                method,
                path.format(**{name: key}),
                version or '2.75',
                body,
            )
        hub = event_hub.EventHub(lambda limit, marker: [], 1)
        self.assertEqual(
            {
                (operation.method, operation.path)
                for operation in routes.operations(
                    events.EventStream(hub), metrics.Metrics()
                )
                if operation.method != 'GET'
            },
            {(method, path) for _, method, path, *_ in changes},
        )

    def test_a_page_is_one_call(self) -> None:
        self.member('node1')
        self.member('node2')
        for limit in (1, 3, 1000):
            self.check(
                'get_table', 'GET', f'/v1/services?limit={limit}', '2.1', None
            )


class TestLiveness(ApiTest):
    def test_status(self) -> None:
        self.member()
        told = self.good('GET', '/v1/liveness?limit=1')
        self.assertEqual(['db'], [one['name'] for one in told['drivers']])
        while told['links']:
            told = self.good('GET', told['links'][0]['href'])
            for one in told['services']:
                self.assertEqual(
                    [{'driver': 'db', 'liveness': 'up', 'reason': ''}],
                    one['verdicts'],
                )


class TestEvents(ApiTest):
    def stream(self, **headers: str) -> Iterator[tuple[str, Any]]:
        """Type and data of each event, as it arrives."""
        answer = self.ask(
            'GET', '/v1/events/stream', stream=True, headers=headers
        )
        self.addCleanup(answer.close)
        self.assertEqual('text/event-stream', answer.headers['Content-Type'])
        return messages(answer)

    def test_pages(self) -> None:
        self.member('node1')
        self.member('node2')
        last = self.good('GET', '/v1/events')['events']
        self.assertEqual(
            ['node1', 'node2'],
            [
                one['service']['host']
                for one in last
                if one['type'] == 'service.create'
                and one['service']['binary'] == 'acme-worker'
            ],
        )
        seen = []
        page = self.good('GET', '/v1/events?marker=0&limit=1')
        while page['events']:
            seen += page['events']
            if not page['links']:
                break
            page = self.good('GET', page['links'][0]['href'])
        self.assertEqual(last, seen)

    def test_a_stream(self) -> None:
        coming = self.stream()
        # The first message has no event: the stream has begun.
        self.assertEqual(('', None), next(coming))
        member = self.member()
        type_, data = next(coming)
        self.assertEqual('service.create', type_)
        self.assertEqual('node1', data['service']['host'])
        member.leave()
        data = next(data for type_, data in coming if type_ == 'service.down')
        self.assertIn('left', data['service']['liveness_reason'])
        # A client that reconnects gets the events that it has missed.
        again = self.stream(**{'Last-Event-ID': str(data['id'] - 1)})
        self.assertEqual(('', None), next(again))
        told = [next(again)]
        while told[-1][1]['id'] < data['id']:
            told.append(next(again))
        self.assertEqual(('service.down', data), told[-1])

    def test_number_of_streams_is_limited(self) -> None:
        self.url = self.useFixture(
            site.Site(self.deployment, api__event_streams=1)
        ).url
        first = self.ask('GET', '/v1/events/stream', stream=True)
        self.addCleanup(first.close)
        answer = self.ask('GET', '/v1/events/stream')
        self.assertEqual(503, answer.status_code)
        self.assertIn('Retry-After', answer.headers)


class TestOutage(ApiTest):
    """No conductor answers, until one is started again."""

    scenarios = [base.ON_MARIADB]

    def test_no_conductor_answers(self) -> None:
        self.member()
        self.conductor.stop()
        answer = self.ask('GET', '/v1/services')
        self.assertEqual(503, answer.status_code)
        self.assertEqual('2', answer.headers['Retry-After'])
        answer = self.ask('GET', '/v2.1/os-services')
        self.assertEqual(503, answer.status_code)
        ((name, _),) = answer.json().items()
        self.assertEqual('serviceUnavailable', name)
        self.deployment.conductor()
        self.good('GET', '/v1/services')


def messages(answer: requests.Response) -> Iterator[tuple[str, Any]]:
    """The messages of a stream; the one that is no event has no type."""
    type_, data = '', None
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        name, _, value = line.partition(': ')
        if name == 'event':
            type_ = value
        elif name == 'data':
            data = json.loads(value)
        elif not line:
            yield type_, data
            type_, data = '', None
