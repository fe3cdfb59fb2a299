"""Events: what subscribers hear, whatever happens to conductors."""

import collections
import json
import threading
from typing import Any

import oslo_messaging as messaging
import sqlalchemy as sa
from oslo_utils import uuidutils

from sgconductor import exception
from sgconductor import objects
from sgconductor.app import conductor as conductor_app
from sgconductor.db import clock
from sgconductor.db import models
from sgconductor.messaging import shortcuts
from sgconductor.objects import base as objects_base
from tests.functional import base

# Without it, an event has a new message id each time that it is sent.
KEEPS_ID = shortcuts.Shortcut.SEND_NOTIFICATION

SUBSCRIBED = {'oslo_messaging_notifications__driver': ['messagingv2']}


class Subscriber:
    """Whatever OpenStack has that listens to notifications.

    :ivar heard: message id, event type and payload of each
    """

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, Any]] = []

    def info(
        self,
        ctxt: dict[str, Any],
        publisher_id: str,
        event_type: str,
        payload: dict[str, Any],
        metadata: dict[str, Any],
    ) -> None:
        self.heard.append((metadata['message_id'], event_type, payload))


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
        """A service that has joined, without a process that beats."""
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

    def kill(self, *services: Any) -> None:
        for service in services:
            self.deployment.age(service.id, 100)

    def of(self, host: str = 'node1') -> list[tuple[str, str]]:
        """Type and reason of what has been heard of a host's service."""
        return [
            (type_.removeprefix('service.'), data['liveness_reason'])
            for _, type_, payload in self.subscriber.heard
            if (data := payload['versioned_object.data'])['host'] == host
        ]

    def wait_for_types(self, *types: str, host: str = 'node1') -> None:
        self.wait_for(
            f'{types}, not {self.of(host)}',
            lambda: [type_ for type_, _ in self.of(host)] == [*types],
        )


class TestLife(EventTest):
    def test_each_turn_is_told_once_and_why(self) -> None:
        self.conductor()
        self.kill(self.service())
        self.wait_for_types('create', 'up', 'down')
        self.assertIn('last beat', self.of()[-1][1])
        self.assertIn('allowed 60 s', self.of()[-1][1])
        service = self.service()
        self.wait_for_types('create', 'up', 'down', 'up')
        service.forced_down = True
        service.save()
        self.wait_for_types('create', 'up', 'down', 'up', 'update', 'down')
        self.assertEqual(('down', 'forced down'), self.of()[-1])
        self.subscriber.heard.clear()
        service.forced_down = False
        service.save()
        self.wait_for_types('update', 'up')
        service.disabled = True
        service.save()
        service.leave()
        self.wait_for_types('update', 'up', 'update', 'down')
        self.assertIn('left at', self.of()[-1][1])
        service.destroy()
        self.wait_for_types('update', 'up', 'update', 'down', 'delete')

    def test_what_is_told_is_the_service_in_its_version(self) -> None:
        self.conductor()
        service = self.service()
        self.wait_for_types('create', 'up')
        id_, _, payload = self.subscriber.heard[-1]
        told: Any = objects_base.SGObject.obj_from_primitive(payload)
        self.assertIsInstance(told, objects.Service)
        self.assertEqual(service.uuid, told.uuid)
        self.assertEqual(('up', True), (told.liveness, told.is_up))
        events = objects.EventList.get_page(self.remote.context())
        last = events[-1]
        self.assertEqual('service.up', last.type)
        if KEEPS_ID in shortcuts.usable():
            self.assertEqual(last.uuid, id_)
        self.assertEqual(payload, json.loads(last.payload))
        after = objects.EventList.get_page(
            self.remote.context(), limit=10, marker=events[-2].id
        )
        self.assertEqual([last.id], [one.id for one in after])

    def test_a_new_release_of_a_service_is_an_update(self) -> None:
        self.conductor()
        self.service().leave()
        self.service(version=2).leave()
        self.wait_for_types('create', 'up', 'down', 'update', 'up', 'down')


class TestConductors(EventTest):
    def test_many_turn_at_once_under_several_conductors(self) -> None:
        for i in range(3):
            self.conductor(f'conductor{i}')
        self.kill(*(self.service(f'node{i}') for i in range(20)))
        self.wait_for(
            'all', lambda: all(self.of(f'node{i}')[2:] for i in range(20))
        )
        for i in range(20):
            self.service(f'node{i}')
        self.wait_for(
            'all', lambda: all(self.of(f'node{i}')[3:] for i in range(20))
        )
        for i in range(20):
            types = [type_ for type_, _ in self.of(f'node{i}')]
            self.assertEqual(['create', 'up', 'down', 'up'], types)
        ids = collections.Counter(id_ for id_, _, _ in self.subscriber.heard)
        self.assertEqual({1}, set(ids.values()))

    def test_one_that_dies_before_it_has_told(self) -> None:
        # It dies as soon as there is something to tell.
        first, tried = self.dying(lambda send, event: None)
        self.conductor('conductor2')
        self.service()
        self.assertTrue(tried.wait(base.PATIENCE))
        first.stop()
        self.wait_for_types('create', 'up')

    def test_one_that_dies_before_it_has_noted_that_it_told(self) -> None:
        if KEEPS_ID not in shortcuts.usable():
            self.skipTest(f'{shortcuts.VARIABLE} is set')
        first, tried = self.dying(lambda send, event: send(event))
        self.conductor('conductor2')
        self.service()
        self.assertTrue(tried.wait(base.PATIENCE))
        first.stop()
        self.wait_for('it again', self.heard_twice)
        for id_, count in collections.Counter(
            id_ for id_, _, _ in self.subscriber.heard
        ).items():
            told = {
                (type_, json.dumps(payload, sort_keys=True))
                for other, type_, payload in self.subscriber.heard
                if other == id_
            }
            self.assertEqual(1, len(told), f'{count} times')

    def heard_twice(self) -> bool:
        """Whether a turn was told again, under the id that it had."""
        ids = [id_ for id_, _, _ in self.subscriber.heard]
        return len(ids) > len(set(ids))

    def dying(
        self, send: Any
    ) -> tuple[conductor_app.Conductor, threading.Event]:
        """A conductor that goes round and fails when it sends.

        :param send: what it still does
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
        self.wait_for('its lease', lambda: self.holder() == leader._holder)
        return conductor, tried

    def test_another_takes_over_where_one_has_died(self) -> None:
        self.conductor()
        self.wait_for('the rounds', self.holder)
        # It says nothing more; its time runs out.
        with self.deployment.db.writer() as conn:
            conn.execute(models.lease.update().values(holder='dead'))
        self.wait_for('somebody', lambda: self.holder() != 'dead')

    def holder(self) -> str:
        with self.deployment.db.reader() as conn:
            holder: str = conn.execute(
                sa.select(models.lease.c.holder)
            ).scalar_one()
        return holder


class TestUpgrade(EventTest):
    def test_of_what_nobody_has_spoken_there_is_no_news(self) -> None:
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
        self.kill(dead)
        self.subscriber.heard.clear()
        self.conductor()
        self.wait_for('a look', self.all_have_states)
        back = self.service('dead')
        self.wait_for_types('up', host='dead')
        self.assertEqual([], self.of('alive'))
        back.leave()
        self.wait_for_types('up', 'down', host='dead')

    def all_have_states(self) -> bool:
        with self.deployment.db.reader() as conn:
            states = conn.execute(sa.select(models.services.c.state)).scalars()
            return None not in set(states)


class TestSilent(base.ConductorTest):
    """Without subscribers."""

    scenarios = [base.EMBEDDED]

    def test_events_are_kept_for_those_who_look(self) -> None:
        self.member().leave()

        def sent() -> bool:
            with self.deployment.db.reader() as conn:
                waiting = conn.execute(
                    sa.select(models.events.c.sent_at)
                ).scalars()
                return None not in set(waiting)

        self.wait_for('nobody waits', sent)
        events = objects.EventList.get_page(self.context)
        self.assertEqual(
            ['service.create', 'service.up', 'service.down'],
            [
                one.type
                for one in events
                if json.loads(one.payload)['versioned_object.data']['host']
                == 'node1'
            ],
        )
        for one in events:
            self.assertIsNotNone(clock.to_micros(one.at))

    def test_an_order_that_is_so_already_is_none(self) -> None:
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

    def test_pages_that_cannot_be(self) -> None:
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
