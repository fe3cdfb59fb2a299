"""What an update of a service means, whoever asks for it."""

import threading
from typing import Any

from sgconductor import exception
from sgconductor import objects
from tests.functional import base

NOBODY = '5d0dd9a1-33a0-4bca-a62b-1e8d79bb1b6c'


class UpdateTest(base.ConductorTest):
    """An acme-worker on node1 that is up, and what happens to it."""

    scenarios = base.EMBEDDED_AND_MARIADB

    def setUp(self) -> None:
        super().setUp()
        self.uuid = self.member().service.uuid

    def update(
        self, changes: Any, guarded: bool = False, **key: Any
    ) -> objects.Service:
        """The service after an update through an object that has only a key.

        :param key: the uuid by default
        """
        service = objects.Service(self.context, **key or {'uuid': self.uuid})
        service.update(changes, guarded)
        return service

    def events(self) -> list[str]:
        """The types of all events of node1."""
        found = objects.EventList.get_page(self.context)
        return [
            event.type.removeprefix('service.')
            for event in found
            if '"node1"' in event.payload
        ]


class TestUpdate(UpdateTest):
    def test_one_call_changes_all_and_returns_the_whole_service(self) -> None:
        service = self.update(
            {'disabled': True, 'disabled_reason': 'fan', 'forced_down': True}
        )
        self.assertEqual('node1', service.host)
        self.assertEqual((True, 'fan'), self.reason())
        self.assertTrue(service.forced_down)
        self.assertFalse(service.is_up)
        self.assertEqual(set(), service.obj_what_changed())
        self.assertEqual(['create', 'up', 'update', 'down'], self.events())

    def reason(self) -> tuple[bool, str | None]:
        service = self.get_service()
        return service.disabled, service.disabled_reason

    def test_each_key_names_the_service(self) -> None:
        for key in (
            {'uuid': self.uuid},
            {'host': 'node1', 'binary': 'acme-worker'},
            {'id': self.get_service().id},
        ):
            self.assertEqual(
                self.uuid, self.update({'disabled': True}, **key).uuid
            )

    def test_a_service_without_its_key_is_refused(self) -> None:
        service = objects.Service(self.context, host='node1')
        error = self.assertRaises(
            exception.InvalidInput, service.update, {'disabled': True}
        )
        self.assertIn('by its uuid, by host and binary', str(error))

    def test_an_unknown_service_is_not_found(self) -> None:
        error = self.assertRaises(
            exception.ServiceNotFound,
            self.update,
            {'disabled': True},
            uuid=NOBODY,
        )
        self.assertIn(NOBODY, str(error))

    def test_enabling_a_service_clears_its_reason(self) -> None:
        self.update({'disabled': True, 'disabled_reason': 'fan'})
        service = self.update({'disabled': False})
        self.assertIsNone(service.disabled_reason)
        self.assertEqual((False, None), self.reason())

    def test_saving_an_enabled_object_clears_the_reason(self) -> None:
        self.update({'disabled': True, 'disabled_reason': 'fan'})
        service = self.get_service()
        service.disabled = False
        service.save()
        self.assertIsNone(service.disabled_reason)
        self.assertEqual((False, None), self.reason())

    def test_an_enabled_service_gets_no_reason(self) -> None:
        for changes in (
            {'disabled_reason': 'ghost'},
            {'disabled': False, 'disabled_reason': 'ghost'},
        ):
            error = self.assertRaises(
                exception.StateConflict, self.update, changes
            )
            self.assertIn('acme-worker on node1 is enabled', str(error))
        service = self.get_service()
        service.disabled_reason = 'ghost'
        self.assertRaises(exception.StateConflict, service.save)
        self.assertEqual((False, None), self.reason())
        self.assertEqual(['create', 'up'], self.events())

    def test_an_update_without_a_change_writes_nothing(
        self,
    ) -> None:
        self.update({'disabled': True, 'disabled_reason': 'fan'})
        before = self.get_service().updated_at
        self.update({'disabled': True, 'disabled_reason': 'fan'})
        self.update({})
        self.assertEqual(before, self.get_service().updated_at)
        self.assertEqual(['create', 'up', 'update'], self.events())

    def test_a_refused_quarantine_leaves_other_fields_unchanged(self) -> None:
        # Quarantine is refused, for it is up; so the rest is not done.
        self.assertRaises(
            exception.ServiceIsUp,
            self.update,
            {'availability_zone': 'north', 'quarantined': True},
        )
        self.assertIsNone(self.get_service().availability_zone)
        self.assertEqual(['create', 'up'], self.events())

    def test_a_service_can_be_forced_down_and_quarantined_at_once(
        self,
    ) -> None:
        service = self.update({'forced_down': True, 'quarantined': True})
        self.assertTrue(service.quarantined)
        self.assertEqual(['create', 'up', 'update', 'down'], self.events())

    def test_a_service_with_beats_is_not_quarantined_as_its_force_down_ends(
        self,
    ) -> None:
        self.update({'forced_down': True})
        self.assertRaises(
            exception.ServiceIsUp,
            self.update,
            {'forced_down': False, 'quarantined': True},
        )
        self.assertTrue(self.get_service().forced_down)

    def test_the_end_of_a_quarantine_is_an_admission(self) -> None:
        self.update({'forced_down': True, 'quarantined': True})
        self.member('node2', version=2)
        error = self.assertRaises(
            exception.ServiceTooOld, self.update, {'quarantined': False}
        )
        self.assertIn('is not admitted: the pin is 2', str(error))

    def test_values_and_names_are_checked(self) -> None:
        for changes in (
            {'disabled': 'yes'},
            {'disabled': None},
            {'disabled_reason': 'x' * 256},
            {'quarantined': 1},
            ['disabled'],
            'disabled',
        ):
            self.assertRaises(exception.InvalidInput, self.update, changes)
        for name in ('host', 'version', 'is_up', 'mood', 'last_seen_up'):
            error = self.assertRaises(
                exception.ReadOnlyField, self.update, {name: 'x'}
            )
            self.assertIn(f'cannot change {name};', str(error))


class TestGuarded(UpdateTest):
    def test_a_guarded_update_is_refused_after_another_edit(self) -> None:
        mine = self.get_service()
        self.update({'availability_zone': 'north'})
        error = self.assertRaises(
            exception.ServiceChanged,
            mine.update,
            {'availability_zone': 'south'},
            guarded=True,
        )
        self.assertIn('acme-worker on node1 was edited', str(error))
        mine.refresh()
        mine.update({'availability_zone': 'south'}, guarded=True)
        self.assertEqual('south', self.get_service().availability_zone)
        # It has the new moment now, and goes on from there.
        mine.update({'availability_zone': 'west'}, guarded=True)
        self.assertEqual('west', self.get_service().availability_zone)

    def test_a_guarded_update_is_refused_after_another_join(self) -> None:
        mine = self.get_service()
        self.member()
        error = self.assertRaises(
            exception.ServiceChanged,
            mine.update,
            {'disabled': True},
            guarded=True,
        )
        self.assertIn('was edited, or joined again', str(error))

    def test_a_guarded_update_is_not_refused_after_beats(self) -> None:
        mine = self.get_service()
        self.wait_for(
            'a beat',
            lambda: self.get_service().report_count > mine.report_count,
        )
        mine.update({'disabled': True}, guarded=True)
        self.assertTrue(self.get_service().disabled)

    def test_a_guarded_update_of_an_unread_service_is_refused(self) -> None:
        error = self.assertRaises(
            exception.InvalidInput, self.update, {'disabled': True}, True
        )
        self.assertIn('updated_at is not set', str(error))

    def test_one_of_many_concurrent_guarded_updates_succeeds(self) -> None:
        seen = [self.get_service() for _ in range(6)]
        won: list[int] = []
        lost: list[int] = []

        def update(number: int) -> None:
            try:
                seen[number].update(
                    {'availability_zone': f'zone{number}'}, guarded=True
                )
            except exception.ServiceChanged:
                lost.append(number)
            else:
                won.append(number)

        threads = [
            threading.Thread(target=update, args=(number,))
            for number in range(len(seen))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(1, len(won), str((won, lost)))
        self.assertEqual(f'zone{won[0]}', self.get_service().availability_zone)


class TestOneCall(UpdateTest):
    """Each change is one call to a conductor, without a look before it."""

    scenarios = [base.ON_MARIADB]

    def calls(self) -> list[str]:
        """A list that gets the methods that are called from now on."""
        # The one that is called in time, or given up.
        bounded: Any = self.remote.context().conductor
        client = bounded._api
        made: list[str] = []
        call = client._call

        def counted(context: Any, method: str, **args: Any) -> Any:
            # The member syncs by itself, and joins again if it has to.
            if args['objmethod'] not in ('sync', 'join'):
                made.append(args['objmethod'])
            return call(context, method, **args)

        client._call = counted
        return made

    def test_each_change_is_one_call(self) -> None:
        made = self.calls()
        objects.Service(self.context, uuid=self.uuid).update(
            {'forced_down': True}
        )
        objects.Service(
            self.context, host='node1', binary='acme-worker'
        ).update({'quarantined': True})
        pin = objects.Pin(self.context, binary='acme-worker')
        pin.hold(1)
        self.assertEqual(1, pin.held_version)
        objects.Pin(self.context, binary='acme-worker').release()
        objects.Service(self.context, uuid=self.uuid).destroy()
        self.assertEqual(
            ['update', 'update', 'hold', 'release', 'destroy'], made
        )
