"""How remote callers look services up, edit them and delete them."""

import json
import threading
from typing import Any
from unittest import mock

import sqlalchemy as sa

from sgconductor import exception
from sgconductor import objects
from sgconductor.objects import service_list
from tests.functional import base


class LookupTest(base.ConductorTest):
    def fill(self, count: int) -> None:
        """Add services node0, node1, …: of acme-api and acme-worker in turn.

        They are in the table, and have no processes.
        """
        for i in range(count):
            binary, topic = (('acme-api', 'api'), ('acme-worker', 'worker'))[
                i % 2
            ]
            with self.deployment.db.writer() as conn:
                base.join(conn, f'node{i}', binary, topic)


class TestGet(LookupTest):
    def test_a_get_by_uuid_and_by_host_and_binary_are_equal(self) -> None:
        self.fill(1)
        one = objects.Service.get_by_host_and_binary(
            self.context, 'node0', 'acme-api'
        )
        other = objects.Service.get_by_uuid(self.context, one.uuid)
        self.assertEqual(one.obj_to_primitive(), other.obj_to_primitive())

    def test_a_get_is_one_select(self) -> None:
        self.fill(1)
        statements = self.record_statements()
        objects.Service.get_by_host_and_binary(
            self.context, 'node0', 'acme-api'
        )
        self.assertEqual(1, len(statements), str(statements))

    def test_the_error_names_the_service_that_was_not_found(self) -> None:
        error = self.assertRaises(
            exception.ServiceNotFound,
            objects.Service.get_by_host_and_binary,
            self.context,
            'nowhere',
            'acme-api',
        )
        self.assertEqual('Service nowhere/acme-api was not found.', str(error))
        uuid = '5d0dd9a1-33a0-4bca-a62b-1e8d79bb1b6c'
        error = self.assertRaises(
            exception.ServiceNotFound,
            objects.Service.get_by_uuid,
            self.context,
            uuid,
        )
        self.assertEqual(f'Service {uuid} was not found.', str(error))

    def test_local_and_remote_callers_get_the_same(self) -> None:
        self.fill(1)
        local = self.deployment.local(self.conductor)
        by_local, by_remote = (
            objects.Service.get_by_host_and_binary(
                context, 'node0', 'acme-api'
            )
            for context in (local, self.context)
        )
        self.assertEqual(
            by_local.obj_to_primitive(), by_remote.obj_to_primitive()
        )


class TestList(LookupTest):
    def test_a_list_is_one_select_whatever_its_length(self) -> None:
        for count in (0, 1, 20):
            self.fill(count)
            statements = self.record_statements()
            page = objects.ServiceList.get_page(self.context)
            # The conductor is listed too.
            self.assertEqual(count + 1, len(page.objects))
            self.assertEqual(1, len(statements), str(statements))
        statements = self.record_statements()
        page = objects.ServiceList.get_page(self.context, host='nowhere')
        self.assertEqual(0, len(page.objects))
        self.assertEqual(1, len(statements), str(statements))

    def test_a_list_with_overdue_services_is_two_selects(self) -> None:
        self.fill(20)
        overdue = self.services(topic='worker')
        for service in overdue:
            self.deployment.age(service.id, 90)
        statements = self.record_statements()
        page = objects.ServiceList.get_page(self.context, topic='worker')
        self.assertEqual(
            [False] * len(overdue), [service.is_up for service in page]
        )
        self.assertEqual(2, len(statements), str(statements))

    def test_pages_follow_each_other_without_gap_or_overlap(self) -> None:
        self.fill(7)
        found: list[int] = []
        marker = None
        while page := objects.ServiceList.get_page(
            self.context, limit=3, marker=marker
        ).objects:
            found += [service.id for service in page]
            marker = page[-1].id
        # The conductor is listed too.
        self.assertEqual(7 + 1, len(found))
        self.assertEqual(sorted(set(found)), found)

    def test_a_walk_goes_through_all_pages(self) -> None:
        self.fill(7)
        page = self.services()
        for sizes in ((1,), (3,), (8,), (9,), (1, 2), (2, 3, 4)):
            with mock.patch.object(service_list, '_PAGES', sizes):
                walked = self.services()
            self.assertEqual(
                [service.obj_to_primitive() for service in page],
                [service.obj_to_primitive() for service in walked],
            )

    def test_a_walk_that_is_closed_leaves_no_thread(self) -> None:
        self.fill(7)
        with mock.patch.object(service_list, '_PAGES', (2,)):
            walk = objects.ServiceList.walk(self.context)
            next(walk)
            walk.close()
        names = [thread.name for thread in threading.enumerate()]
        self.assertEqual([], [n for n in names if n.startswith('walk')])

    def test_a_table_is_one_select_and_has_the_values_of_a_page(self) -> None:
        self.fill(20)
        # Without the conductor, whose row changes with each beat.
        binary = 'acme-worker'
        page = objects.ServiceList.get_page(self.context, binary=binary)
        statements = self.record_statements()
        names = ['is_up', 'not yet', 'last_seen_up', 'host']
        table = objects.ServiceList.get_table(
            self.context, names, binary=binary
        )
        self.assertEqual(1, len(statements), str(statements))
        self.assertEqual(['is_up', 'last_seen_up', 'host'], table['names'])
        self.assertIsNone(table['marker'])
        part = objects.ServiceList.get_table(
            self.context, names, limit=4, binary=binary
        )
        self.assertEqual(page[3].id, part['marker'])
        primitives = [service.obj_to_primitive() for service in page]
        self.assertEqual(10, len(primitives))
        self.assertEqual(
            [
                [primitive['versioned_object.data'][n] for n in table['names']]
                for primitive in primitives
            ],
            json.loads(table['rows']),
        )
        for bad in (None, 'host', {'host': 1}, ['host', {}], ['host'] * 2):
            self.assertRaises(
                exception.InvalidInput,
                objects.ServiceList.get_table,
                self.context,
                bad,
            )

    def test_a_deleted_service_can_be_the_marker(self) -> None:
        self.fill(4)
        marker = self.services()[1]
        marker.destroy()
        rest = objects.ServiceList.get_page(self.context, marker=marker.id)
        self.assertEqual(['node2', 'node3'], [s.host for s in rest])

    def test_filters_are_combined(self) -> None:
        self.fill(6)
        down = objects.Service.get_by_host_and_binary(
            self.context, 'node3', 'acme-worker'
        )
        self.deployment.age(down.id, 90)
        disabled = objects.Service.get_by_host_and_binary(
            self.context, 'node2', 'acme-api'
        )
        disabled.disabled = True
        disabled.save()

        def hosts(**filters: Any) -> list[str]:
            return [service.host[4:] for service in self.services(**filters)]

        self.assertEqual(list('012345'), hosts())
        self.assertEqual(['4'], hosts(host='node4'))
        self.assertEqual(list('135'), hosts(binary='acme-worker'))
        self.assertEqual(list('024'), hosts(topic='api'))
        self.assertEqual(['2'], hosts(disabled=True))
        self.assertEqual(list('01345'), hosts(disabled=False))
        self.assertEqual(['3'], hosts(up=False))
        self.assertEqual(list('15'), hosts(topic='worker', up=True))
        self.assertEqual([], hosts(host='node4', up=False))

    def test_pages_filtered_by_up_are_full(self) -> None:
        self.fill(6)
        for service in objects.ServiceList.get_page(self.context):
            if service.host in ('node0', 'node2', 'node5'):
                self.deployment.age(service.id, 90)
        page = objects.ServiceList.get_page(self.context, limit=2, up=False)
        self.assertEqual(['node0', 'node2'], [s.host for s in page])
        page = objects.ServiceList.get_page(
            self.context, limit=2, marker=page[-1].id, up=False
        )
        self.assertEqual(['node5'], [s.host for s in page])

    def test_a_page_filtered_by_up_is_one_select(self) -> None:
        self.fill(30)
        statements = self.record_statements()
        objects.ServiceList.get_page(self.context, limit=1, up=False)
        self.assertEqual(1, len(statements), str(statements))


class TestEdit(LookupTest):
    def setUp(self) -> None:
        super().setUp()
        self.fill(1)
        self.service = objects.Service.get_by_host_and_binary(
            self.context, 'node0', 'acme-api'
        )

    def test_no_edit_makes_a_down_service_up(self) -> None:
        self.deployment.age(self.service.id, 600)
        self.service.refresh()
        last_seen_up = self.service.last_seen_up
        for name, value in (
            ('disabled', True),
            ('disabled_reason', 'why'),
            ('disabled_reason', None),
            ('disabled', False),
            ('forced_down', True),
            ('forced_down', False),
            ('availability_zone', 'north'),
            ('availability_zone', None),
        ):
            setattr(self.service, name, value)
            self.service.save()
            self.assertFalse(self.service.is_up)
            self.service.refresh()
            self.assertFalse(self.service.is_up)
            self.assertEqual(last_seen_up, self.service.last_seen_up)
            self.assertEqual(value, getattr(self.service, name))
        self.assertIsNotNone(self.service.updated_at)

    def test_a_field_that_the_conductor_sets_is_read_only(self) -> None:
        for name, value in {
            'is_up': False,
            'last_seen_up': self.service.created_at,
            'incarnation': 9,
            'report_count': 9,
            'host': 'elsewhere',
            'version': 9,
        }.items():
            service = objects.Service.get_by_uuid(
                self.context, self.service.uuid
            )
            setattr(service, name, value)
            service.disabled = True
            error = self.assertRaises(exception.ReadOnlyField, service.save)
            self.assertIn(f'cannot change {name}; it can', str(error))
        self.service.refresh()
        self.assertFalse(self.service.disabled)
        self.assertTrue(self.service.is_up)

    def test_is_up_is_not_in_the_database(self) -> None:
        columns = sa.inspect(self.deployment.db.engine).get_columns('services')
        self.assertNotIn('is_up', [column['name'] for column in columns])

    def test_a_save_without_changes_is_no_statement(self) -> None:
        statements = self.record_statements()
        self.service.save()
        self.assertEqual([], statements)

    def test_a_reason_may_have_any_characters_of_unicode(self) -> None:
        reason = 'Lüfter kaputt, 日本語 \U0001f600'
        self.service.disabled = True
        self.service.disabled_reason = reason
        self.service.save()
        self.service.refresh()
        self.assertEqual(reason, self.service.disabled_reason)

    def test_a_uuid_is_enough_to_delete(self) -> None:
        objects.Service(self.context, uuid=self.service.uuid).destroy()
        self.assertRaises(exception.ServiceNotFound, self.service.refresh)

    def test_a_deleted_service_is_not_found_by_any_method(self) -> None:
        copy = objects.Service.get_by_uuid(self.context, self.service.uuid)
        self.service.destroy()
        copy.disabled = True
        self.assertRaises(exception.ServiceNotFound, copy.save)
        self.assertRaises(exception.ServiceNotFound, copy.refresh)
        self.assertRaises(exception.ServiceNotFound, copy.destroy)
        self.assertEqual([], self.services())

    def test_host_and_binary_of_a_deleted_service_can_join_again(self) -> None:
        for _ in range(2):
            service = objects.Service.get_by_host_and_binary(
                self.context, 'node0', 'acme-api'
            )
            service.destroy()
            self.fill(1)
        service = objects.Service.get_by_host_and_binary(
            self.context, 'node0', 'acme-api'
        )
        self.assertNotEqual(self.service.uuid, service.uuid)
        self.assertEqual(1, service.incarnation)
