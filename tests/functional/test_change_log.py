"""What the conductor says of each change, and who asked for it."""

import json

from oslo_utils import uuidutils

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import objects
from sgconductor.conductor import joins
from sgconductor.conductor import requester
from tests.functional import base

ALICE = {
    'request_id': 'req-5c4f9d63-7e0d-4d0c-9f6e-0a4dd0f1a001',
    'user_id': 'a11ce',
    'user_name': 'alice',
}
BY_ALICE = f'({ALICE["request_id"]} by alice)'


def new_service(
    context: sg_context.RequestContext, host: str, binary: str
) -> objects.Service:
    """A service that can join."""
    return objects.Service(
        context,
        host=host,
        binary=binary,
        topic='worker',
        version=1,
        report_interval=10,
        down_after=60,
    )


class TestLines(base.ConductorTest):
    """Each change of the group is one line of INFO."""

    scenarios = base.EMBEDDED_AND_MARIADB

    def lines(self) -> list[str]:
        """What was logged of acme-worker since this was asked last."""
        lines = [
            line
            for line in self.log.output.splitlines()
            if 'acme-worker' in line and line.startswith('INFO ')
        ]
        self.seen, before = len(lines), self.seen
        # What members say of themselves is not the conductor's.
        return [
            line.removeprefix('INFO ')
            for line in lines[before:]
            if not line.startswith(('INFO Joined as', 'INFO Pins of'))
        ]

    seen = 0

    def test_a_day_in_the_life(self) -> None:
        context = self.remote.context(**ALICE)
        service = new_service(context, 'node1', 'acme-worker')
        service.join('5d0dd9a1-33a0-4bca-a62b-1e8d79bb1b6c')
        self.assertEqual(
            [
                f'Pin of acme-worker: none -> 1, epoch '
                f'{self.epoch()}: join of node1 with version 1 {BY_ALICE}',
                f'Joined: acme-worker on node1: version 1, incarnation 1 '
                f'{BY_ALICE}',
            ],
            self.lines(),
        )
        service.update({'disabled': True, 'disabled_reason': 'fan'})
        service.update({'disabled': False})
        service.update({'availability_zone': 'north'})
        service.update({'forced_down': True})
        service.update({'quarantined': True})
        service.update({'quarantined': False, 'forced_down': False})
        self.assertEqual(
            [
                f'Disabled: acme-worker on node1: disabled False -> True, '
                f"disabled_reason None -> 'fan' {BY_ALICE}",
                f'Enabled: acme-worker on node1: disabled True -> False, '
                f"disabled_reason 'fan' -> None {BY_ALICE}",
                f'Edited: acme-worker on node1: availability_zone None -> '
                f"'north' {BY_ALICE}",
                f'Forced down: acme-worker on node1: forced_down False -> '
                f'True {BY_ALICE}',
                f'Quarantined: acme-worker on node1: quarantined False -> '
                f'True {BY_ALICE}',
                f'Quarantine ended, Force-down ended: acme-worker on node1: '
                f'quarantined True -> False, forced_down True -> False '
                f'{BY_ALICE}',
            ],
            self.lines(),
        )
        pin = objects.Pin(context, binary='acme-worker')
        pin.hold(0)
        moved, held = [
            line for line in self.lines() if line.startswith('Pin of')
        ]
        self.assertEqual(f'Pin of acme-worker: hold at 0 {BY_ALICE}', held)
        self.assertEqual(
            f'Pin of acme-worker: 1 -> 0, epoch {self.epoch()}: '
            f'hold at 0 {BY_ALICE}',
            moved,
        )
        pin.release()
        self.assertIn(
            f'Pin of acme-worker: release of the hold {BY_ALICE}',
            self.lines(),
        )
        service.leave()
        service.destroy()
        self.assertEqual(
            [
                f'Left: acme-worker on node1 {BY_ALICE}',
                f'Deleted: acme-worker on node1 {BY_ALICE}',
            ],
            # The sweep may have found it up before that.
            [line for line in self.lines() if not line.startswith('Up: ')],
        )

    def test_what_changes_nothing_has_no_line(self) -> None:
        member = self.member()
        service = member.service
        token = '5d0dd9a1-33a0-4bca-a62b-1e8d79bb1b6c'
        twice = new_service(self.context, 'node2', 'acme-worker')
        twice.join(token)
        pin = objects.Pin(self.context, binary='acme-worker')
        pin.hold(1)
        member.leave()
        self.lines()
        again = new_service(self.context, 'node2', 'acme-worker')
        again.join(token)
        pin.hold(1)
        self.assertTrue(service.leave())
        service.update({'disabled': False})
        self.assertEqual([], self.lines())

    def test_each_pin_names_the_join_that_moved_it(self) -> None:
        requests = []
        for name, binary in (('alice', 'bin1'), ('carol', 'bin2')):
            service = new_service(
                self.deployment.local(self.conductor), 'node1', binary
            )
            one = joins.request(service, uuidutils.generate_uuid())
            by = requester.Requester(f'req-{name}', None, name)
            requests.append(one._replace(by=by))
        backend = self.conductor.backend
        joins.Joins(backend.roster, backend.changes).join_all(requests)
        for name, binary in (('alice', 'bin1'), ('carol', 'bin2')):
            (line,) = [
                line
                for line in self.log.output.splitlines()
                if line.startswith(f'INFO Pin of {binary}: none -> 1')
            ]
            self.assertTrue(line.endswith(f'(req-{name} by {name})'), line)

    def epoch(self) -> int:
        epoch: int = objects.PinList.in_force(self.context)['epoch']
        return epoch

    def test_a_refused_join_tells_why(self) -> None:
        self.member('node1', version=2)
        self.lines()
        self.assertRaises(
            exception.ServiceTooOld, self.member, 'node2', version=1
        )
        (line,) = [one for one in self.lines() if 'refused' in one]
        self.assertTrue(
            line.startswith('Join refused: acme-worker on node2: '), line
        )
        self.assertIn('has version 1 and is not admitted: the pin is 2', line)

    def test_down_and_up_tell_the_reason(self) -> None:
        member = self.member(down_after=2)
        service = member.service
        base.stop_beating(member)
        self.deployment.age(service.id, 600)
        self.wait_for('down', lambda: self.logged('Down: acme-worker'))
        down = [line for line in self.lines() if line.startswith('Down')]
        self.assertRegex(
            down[0],
            r'Down: acme-worker on node1: last beat \d+\.\d s ago, allowed '
            r'2 s \(found by this conductor\)',
        )
        self.deployment.beat(
            self.remote, service, stamp=2**51, epoch=service.pin_epoch
        )
        self.wait_for('up', lambda: self.logged('Up: acme-worker on node1'))


class TestWho(base.ConductorTest):
    """Events carry whose request caused them."""

    def test_request_and_user(self) -> None:
        service = self.member().service
        mine = objects.Service(self.remote.context(**ALICE), uuid=service.uuid)
        mine.update({'forced_down': True})
        found = [
            event
            for event in objects.EventList.get_page(self.context)
            if json.loads(event.payload)['versioned_object.data']['host']
            == 'node1'
        ]
        self.assertEqual(
            ['create', 'up', 'update', 'down'],
            [event.type.removeprefix('service.') for event in found],
        )
        for joined in found[:2]:
            self.assertRegex(joined.request_id or '', '^req-')
            self.assertIsNone(joined.user_id)
        for ordered in found[2:]:
            self.assertEqual(ALICE['request_id'], ordered.request_id)
            self.assertEqual(ALICE['user_id'], ordered.user_id)
