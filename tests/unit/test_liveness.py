"""The rule."""

import datetime
from collections.abc import Collection
from typing import Any

from sgconductor.servicegroup import driver
from sgconductor.servicegroup import liveness
from sgconductor.servicegroup import voice
from tests import base

NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


class Roll(driver.Driver):
    """A driver that knows who is alive, and counts how often it is asked."""

    name = 'roll'

    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts
        self.asked: list[list[str]] = []
        self.left: list[str] = []

    def join(self, member: driver.Member) -> None: ...

    def leave(self, member: driver.Member) -> None:
        self.left.append(member.host)

    def alive(self, members: Collection[driver.Member]) -> driver.Roll:
        self.asked.append([member.host for member in members])
        return driver.Roll(
            {member for member in members if member.host in self.hosts}
        )

    def close(self) -> None: ...


def row(host: str, **other: Any) -> dict[str, Any]:
    return {
        'uuid': f'uuid of {host}',
        'host': host,
        'binary': 'acme-worker',
        'topic': 'worker',
        'incarnation': 1,
        'forced_down': False,
        'quarantined': False,
        'left_at': None,
        'age': 10_000_000,
        'joined_at': None,
        'last_seen_up': NOW,
        'state': 'up',
        'state_since': NOW,
        'down_after': 60,
        **other,
    }


class TestRule(base.TestCase):
    def judge(self, *rows: dict[str, Any]) -> list[tuple[bool, str]]:
        self.roll = Roll('a', 'b')
        heard = liveness.Liveness(
            voice.Voice(self.roll), lambda: [(10**15, 0)]
        )
        verdicts = heard.judge(rows)
        return [(verdict.up, verdict.reason) for verdict in verdicts]

    def test_fresh_and_present_is_up(self) -> None:
        self.assertEqual([(True, '')], self.judge(row('a')))

    def test_stale_is_down_though_present(self) -> None:
        self.assertEqual(
            [(False, 'last beat 60.1 s ago, allowed 60 s')],
            self.judge(row('a', age=60_100_000)),
        )
        self.assertEqual([(True, '')], self.judge(row('a', age=60_000_000)))

    def test_absent_is_down_though_fresh(self) -> None:
        ((up, reason),) = self.judge(row('z'))
        self.assertFalse(up)
        self.assertIn('roll has no acme-worker', reason)

    def test_forced_down_wins_over_all(self) -> None:
        self.assertEqual(
            [(False, 'forced down')], self.judge(row('a', forced_down=True))
        )

    def test_quarantine_is_down_whatever_beats(self) -> None:
        self.assertEqual(
            [(False, 'in quarantine')], self.judge(row('a', quarantined=True))
        )

    def test_left_is_down_at_once(self) -> None:
        left_at = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
        self.assertEqual(
            [(False, 'left at 2026-01-02T03:04:05Z')],
            self.judge(row('a', left_at=left_at)),
        )

    def test_each_is_judged_by_its_own_patience(self) -> None:
        self.assertEqual(
            [True, False],
            [
                up
                for up, _ in self.judge(
                    row('a', down_after=11), row('b', down_after=9)
                )
            ],
        )

    def test_the_driver_is_asked_once_and_only_about_the_fresh(self) -> None:
        self.judge(
            row('a'),
            row('b', age=10**9),
            row('z'),
            row('a', forced_down=True),
        )
        self.assertEqual([['a', 'z']], self.roll.asked)

    def test_nobody_is_judged_without_fuss(self) -> None:
        self.assertEqual([], self.judge())
