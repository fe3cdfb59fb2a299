"""The advice that operators get about a pin."""

import datetime
from typing import Any

from sgconductor import objects
from sgconductor.cmd import advice
from tests import base

NOON = datetime.datetime(2026, 1, 2, 12, tzinfo=datetime.UTC)


def pin(**more: Any) -> objects.Pin:
    values = {
        'binary': 'worker',
        'version': 2,
        'min_version': 2,
        'held_version': None,
        'epoch': 5,
        'since': NOON,
        'cause': 'test',
        'services': {'2': 3},
        'following': 3,
        'live': 3,
        **more,
    }
    context = base.context()
    return objects.Pin(context, **values)


def service(number: int, **more: Any) -> objects.Service:
    values = {
        'host': f'node{number}',
        'binary': 'worker',
        'version': 1,
        'is_up': True,
        'report_interval': 10,
        'created_at': NOON,
        'updated_at': None,
        'last_seen_up': NOON + datetime.timedelta(seconds=60),
        'pin_epoch': 4,
        **more,
    }
    context = base.context()
    return objects.Service(context, **values)


class TestAdvice(base.TestCase):
    def test_nothing_to_do(self) -> None:
        (told,) = advice.for_pin(pin(), [service(1)], [])
        self.assertEqual(
            'Nothing to do: all 3 services are at version 2, and 3 of 3 '
            'live members follow the pin.',
            told.text,
        )
        self.assertEqual((), told.run)
        (told,) = advice.for_pin(pin(services={'2': 1}), [service(1)], [])
        self.assertIn('the only service is at version 2', told.text)

    def test_down_services_of_the_only_version_need_nothing(self) -> None:
        (told,) = advice.for_pin(pin(), [service(1, is_up=False)], [])
        self.assertIn('Nothing to do', told.text)

    def test_services_of_two_versions(self) -> None:
        mixed = pin(version=1, min_version=1, services={'1': 3, '2': 4})
        oldest = [
            service(1),
            service(2, is_up=False),
            service(3),
        ]
        up, down = advice.for_pin(mixed, oldest, [])
        self.assertIn('node1, node3: up, with version 1. When', up.text)
        self.assertEqual((), up.run)
        self.assertIn('node2: down, with version 1, and', down.text)
        self.assertEqual(
            (
                'sgconductor-manage service delete node2 worker',
                'sgconductor-manage service quarantine node2 worker',
            ),
            down.run,
        )

    def test_more_services_than_are_named(self) -> None:
        mixed = pin(version=1, min_version=1, services={'1': 24, '2': 4})
        dead = [service(n, is_up=False) for n in range(24)]
        (told,) = advice.for_pin(mixed, dead, [])
        self.assertIn('node19, and 4 more: down', told.text)
        self.assertIn('soon; here for the first 3:', told.text)
        self.assertEqual(6, len(told.run))

    def test_a_hold(self) -> None:
        (told,) = advice.for_pin(pin(version=1, held_version=1), [], [])
        self.assertIn('held at 1, since 2026-01-02T12:00:00Z;', told.text)
        self.assertIn('without the hold it would be 2', told.text)
        self.assertEqual(('sgconductor-manage pins release worker',), told.run)
        for held in (2, 3):
            (told,) = advice.for_pin(pin(held_version=held), [], [])
            self.assertIn(f'it cannot exceed {held}', told.text)
            self.assertEqual(
                ('sgconductor-manage pins release worker',), told.run
            )

    def test_no_service_counts(self) -> None:
        (told,) = advice.for_pin(pin(services={}), [], [])
        self.assertIn('No service of worker counts any more', told.text)

    def test_members_that_do_not_follow(self) -> None:
        soon = NOON + datetime.timedelta(seconds=20)
        late_join = NOON + datetime.timedelta(seconds=50)
        lagging = [
            service(1),
            service(2, pin_epoch=0),
            service(3, pin_epoch=0, last_seen_up=soon),
            service(4, pin_epoch=0, updated_at=late_join),
        ]
        unaware, late = advice.for_pin(pin(following=0), [], lagging)
        self.assertIn(
            'worker on node1, worker on node3, worker on node4: not '
            'following yet',
            late.text,
        )
        self.assertEqual(('sgconductor-manage pins wait worker 2',), late.run)
        # node4 has joined again, and has beaten too few times since.
        self.assertIn(
            'worker on node2: up, but built on a release', unaware.text
        )

    def test_commands_are_not_wrapped(self) -> None:
        command = 'sgconductor-manage ' + 'x' * 100
        lines = str(advice.Advice('word ' * 30, (command,))).splitlines()
        self.assertEqual(f'    {command}', lines[-1])
        self.assertLess(max(map(len, lines[:-1])), 80)
