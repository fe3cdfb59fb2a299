"""Events: what subscribers receive, also when conductors fail."""

import collections
import json
import threading
from typing import Any

import fixtures
import oslo_messaging as messaging
import sqlalchemy as sa
from oslo_utils import uuidutils

from sgconductor import exception
from sgconductor import objects
from sgconductor.app import conductor as conductor_app
from sgconductor.db import clock
from sgconductor.db import models
from sgconductor.db import services as db_services
from sgconductor.messaging import shortcuts
from sgconductor.objects import base as objects_base
from tests.functional import base

# Without it, an event gets a new message id each time that it is sent.
SAME_MESSAGE_ID = shortcuts.Shortcut.SEND_NOTIFICATION

SUBSCRIBED = {'oslo_messaging_notifications__driver': ['messagingv2']}


class Subscriber:
    """A listener for notifications, as other OpenStack services have one.

    :ivar received: message id, event type and payload of each notification
    """

    def __init__(self) -> None:
        self.received: list[tuple[str, str, Any]] = []

    def info(
        self,
        ctxt: dict[str, Any],
        publisher_id: str,
        event_type: str,
        payload: dict[str, Any],
        metadata: dict[str, Any],
    ) -> None:
        self.received.append((metadata['message_id'], event_type, payload))


class EventTest(base.DeploymentTest):
    scenarios = [base.EMBEDDED, base.ON_MARIADB]

    def setUp(self) -> None:
        super().setUp()
        self.subscriber = Subscriber()
        transport = messaging.get_notification_transport(
            self.deployment.conf()
        )
        listener = messaging.get_notification_listener(
            transport,
            [messaging.Target(topic='notifications')],
            [self.subscriber],
            executor='threading',
        )
        listener.start()
        self.addCleanup(transport.cleanup)
        self.addCleanup(listener.wait)
        self.addCleanup(listener.stop)
        self.remote = self.deployment.remote()

    def conductor(self, host: str = 'conductor1') -> conductor_app.Conductor:
        return self.deployment.conductor(conductor__host=host, **SUBSCRIBED)

    def service(self, host: str = 'node1', version: int = 1) -> Any:
        """A service that has joined, without a process that sends beats."""
        service = objects.Service(
            self.remote.context(),
            host=host,
            binary='acme-worker',
            topic='worker',
            version=version,
            report_interval=10,
            down_after=60,
        )
        service.join(uuidutils.generate_uuid())
        return service

    def silence(self, *services: Any) -> None:
        """Make the last beats of services so old that these are down."""
        for service in services:
            self.deployment.age(service.id, 100)

    def events_of(self, host: str = 'node1') -> list[tuple[str, str]]:
        """The type and the reason of each event received for a host."""
        return [
            (type_.removeprefix('service.'), data['liveness_reason'])
            for _, type_, payload in self.subscriber.received
            if (data := payload['versioned_object.data'])['host'] == host
        ]

    def wait_for_types(self, *types: str, host: str = 'node1') -> None:
        self.wait_for(
            f'events {types} of {host} instead of {self.events_of(host)}',
            lambda: [type_ for type_, _ in self.events_of(host)] == [*types],
        )


class TestLife(EventTest):
    def test_each_change_is_one_event_with_its_reason(self) -> None:
        self.conductor()
        self.silence(self.service())
        self.wait_for_types('create', 'up', 'down')
        self.assertIn('last beat', self.events_of()[-1][1])
        self.assertIn('allowed 60 s', self.events_of()[-1][1])
        service = self.service()
        self.wait_for_types('create', 'up', 'down', 'up')
        service.forced_down = True
        service.save()
        self.wait_for_types('create', 'up', 'down', 'up', 'update', 'down')
        self.assertEqual(('down', 'forced down'), self.events_of()[-1])
        self.subscriber.received.clear()
        service.forced_down = False
        service.save()
        self.wait_for_types('update', 'up')
        service.disabled = True
        service.save()
        service.leave()
        self.wait_for_types('update', 'up', 'update', 'down')
        self.assertIn('left at', self.events_of()[-1][1])
        service.destroy()
        self.wait_for_types('update', 'up', 'update', 'down', 'delete')

    def test_the_payload_is_the_service_object(self) -> None:
        self.conductor()
        service = self.service()
        self.wait_for_types('create', 'up')
        id_, _, payload = self.subscriber.received[-1]
        sent: Any = objects_base.SGObject.obj_from_primitive(payload)
        self.assertIsInstance(sent, objects.Service)
        self.assertEqual(service.uuid, sent.uuid)
        self.assertEqual(('up', True), (sent.liveness, sent.is_up))
        events = objects.EventList.get_page(self.remote.context())
        last = events[-1]
        self.assertEqual('service.up', last.type)
        if SAME_MESSAGE_ID in shortcuts.usable():
            self.assertEqual(last.uuid, id_)
        self.assertEqual(payload, json.loads(last.payload))
        after = objects.EventList.get_page(
            self.remote.context(), limit=10, marker=events[-2].id
        )
        self.assertEqual([last.id], [event.id for event in after])

    def test_a_service_that_beats_while_it_is_judged_is_not_down(self) -> None:
        conductor = self.conductor()
        service = self.service()
        self.wait_for_types('create', 'up')
        judge = conductor.backend.judges.primary.judge
        judged = threading.Event()

        def judge_slowly(rows: Any) -> Any:
            verdicts = judge(rows)
            if 'node1' in [row['host'] for row in rows]:
                beat = db_services.Beat(service.id, 1, self.now())
                with self.deployment.db.writer() as conn:
                    db_services.beat_many(conn, [beat])
                judged.set()
            return verdicts

        self.useFixture(
            fixtures.MockPatchObject(
                conductor.backend.judges.primary, 'judge', judge_slowly
            )
        )
        self.silence(service)
        self.assertTrue(judged.wait(base.PATIENCE))
        service.leave()
        self.wait_for_types('create', 'up', 'down')
        self.assertIn('left', self.events_of()[-1][1])

    def now(self) -> int:
        """In microseconds since 1970."""
        with self.deployment.db.reader() as conn:
            now = conn.execute(sa.select(clock.utcnow())).scalar_one()
        return clock.to_micros(now)

    def test_a_join_with_another_version_is_an_update(self) -> None:
        self.conductor()
        self.service().leave()
        self.service(version=2).leave()
        self.wait_for_types('create', 'up', 'down', 'update', 'up', 'down')


class TestConductors(EventTest):
    def test_several_conductors_send_each_of_many_events_once(self) -> None:
        for i in range(3):
            self.conductor(f'conductor{i}')
        self.silence(*(self.service(f'node{i}') for i in range(20)))
        self.wait_for(
            'all services to be down',
            lambda: all(self.events_of(f'node{i}')[2:] for i in range(20)),
        )
        for i in range(20):
            self.service(f'node{i}')
        self.wait_for(
            'all services to be up',
            lambda: all(self.events_of(f'node{i}')[3:] for i in range(20)),
        )
        for i in range(20):
            types = [type_ for type_, _ in self.events_of(f'node{i}')]
            self.assertEqual(['create', 'up', 'down', 'up'], types)
        ids = collections.Counter(
            id_ for id_, _, _ in self.subscriber.received
        )
        self.assertEqual({1}, set(ids.values()))

    def test_another_conductor_sends_what_the_leader_did_not(self) -> None:
        # The leader fails as soon as there is an event to send.
        first, tried = self.failing_conductor(lambda send, event: None)
        self.conductor('conductor2')
        self.service()
        self.assertTrue(tried.wait(base.PATIENCE))
        first.stop()
        self.wait_for_types('create', 'up')

    def test_an_event_that_is_sent_again_has_its_message_id(self) -> None:
        if SAME_MESSAGE_ID not in shortcuts.usable():
            self.skipTest(f'{shortcuts.VARIABLE} is set')
        first, tried = self.failing_conductor(lambda send, event: send(event))
        self.conductor('conductor2')
        self.service()
        self.assertTrue(tried.wait(base.PATIENCE))
        first.stop()
        self.wait_for('an event to come twice', self.an_event_came_twice)
        for id_, count in collections.Counter(
            id_ for id_, _, _ in self.subscriber.received
        ).items():
            contents = {
                (type_, json.dumps(payload, sort_keys=True))
                for other, type_, payload in self.subscriber.received
                if other == id_
            }
            self.assertEqual(1, len(contents), f'{count} times')

    def an_event_came_twice(self) -> bool:
        """Whether two notifications have the same message id."""
        ids = [id_ for id_, _, _ in self.subscriber.received]
        return len(ids) > len(set(ids))

    def failing_conductor(
        self, send: Any
    ) -> tuple[conductor_app.Conductor, threading.Event]:
        """A leader that fails whenever it sends an event.

        :param send: called before the failure, with the real function that
            sends, and the event
        :returns: the conductor, and what is set when it has failed
        """
        conductor = self.deployment.conductor(
            conductor__host='conductor1', **SUBSCRIBED
        )
        tried = threading.Event()
        publisher: Any = conductor._publisher
        leader: Any = conductor._leader
        real = publisher._send

        def fail(event: Any) -> None:
            send(real, event)
            tried.set()
            raise exception.BrokerUnreachable('here', 'dying')

        publisher._send = fail
        self.wait_for(
            'the conductor to hold the lease',
            lambda: self.lease_holder() == leader._holder,
        )
        return conductor, tried

    def test_another_conductor_takes_the_lease_of_a_dead_one(self) -> None:
        self.conductor()
        self.wait_for('a holder of the lease', self.lease_holder)
        # The lease of a conductor that does not run expires.
        with self.deployment.db.writer() as conn:
            conn.execute(models.lease.update().values(holder='dead'))
        self.wait_for(
            'another holder of the lease',
            lambda: self.lease_holder() != 'dead',
        )

    def lease_holder(self) -> str:
        with self.deployment.db.reader() as conn:
            holder: str = conn.execute(
                sa.select(models.lease.c.holder)
            ).scalar_one()
        return holder


class TestUpgrade(EventTest):
    def test_the_upgrade_itself_sends_no_events(self) -> None:
        conductor = self.conductor()
        dead = self.service('dead')
        self.service('alive')
        self.wait_for_types('create', 'up', host='alive')
        conductor.stop()
        # As the tables are just after the upgrade.
        with self.deployment.db.writer() as conn:
            conn.execute(
                models.services.update().values(state=None, state_since=None)
            )
        self.silence(dead)
        self.subscriber.received.clear()
        self.conductor()
        self.wait_for('the first sweep', self.all_services_have_states)
        back = self.service('dead')
        self.wait_for_types('up', host='dead')
        self.assertEqual([], self.events_of('alive'))
        back.leave()
        self.wait_for_types('up', 'down', host='dead')

    def all_services_have_states(self) -> bool:
        with self.deployment.db.reader() as conn:
            states = conn.execute(sa.select(models.services.c.state)).scalars()
            return None not in set(states)


class TestStoredEvents(base.ConductorTest):
    """Events without subscribers."""

    scenarios = [base.EMBEDDED]

    def test_events_can_be_listed_after_they_were_sent(self) -> None:
        self.member().leave()

        def all_sent() -> bool:
            with self.deployment.db.reader() as conn:
                times = conn.execute(
                    sa.select(models.events.c.sent_at)
                ).scalars()
                return None not in set(times)

        self.wait_for('all events to be sent', all_sent)
        events = objects.EventList.get_page(self.context)
        self.assertEqual(
            ['service.create', 'service.up', 'service.down'],
            [
                event.type
                for event in events
                if json.loads(event.payload)['versioned_object.data']['host']
                == 'node1'
            ],
        )
        for event in events:
            self.assertIsNotNone(clock.to_micros(event.at))

    def test_an_edit_that_changes_nothing_is_no_event(self) -> None:
        self.member()
        for _ in range(3):
            service = self.get_service()
            service.disabled = True
            service.disabled_reason = 'disk'
            service.save()
        self.assertTrue(service.disabled)
        found = objects.EventList.get_page(self.context, marker=0)
        types = [event.type for event in found]
        self.assertEqual(1, types.count('service.update'))

    def test_an_invalid_limit_or_marker_is_refused(self) -> None:
        for bad in (0, 1001, 'x', None):
            self.assertRaises(
                exception.InvalidInput,
                objects.EventList.get_page,
                self.context,
                limit=bad,
            )
        self.assertRaises(
            exception.InvalidInput,
            objects.EventList.get_page,
            self.context,
            marker=-1,
        )
