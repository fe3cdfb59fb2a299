"""The rule that decides whether a service is up, down or unknown."""

import datetime
from collections.abc import Collection
from typing import Any

from sgconductor import exception
from sgconductor.conductor import liveness
from sgconductor.db import reception
from sgconductor.servicegroup import driver as sg_driver
from sgconductor.servicegroup import monitored_driver
from tests import base

NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


def text(moment: datetime.datetime) -> str:
    """A moment as rows have it."""
    return moment.strftime('%Y-%m-%dT%H:%M:%S.%fZ')


class FakeDriver(sg_driver.Driver):
    """A driver that reports given hosts as present, or fails.

    :ivar hosts: the hosts whose members are present
    :ivar unknown: the hosts of which it reports nothing
    :ivar failure: what ``alive`` raises
    :ivar problem: what ``trouble`` is
    :ivar back_at: what ``since`` is
    :ivar questions: the hosts that each call of ``alive`` was about
    """

    name = 'fake'

    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts
        self.unknown: tuple[str, ...] = ()
        self.failure: Exception | None = None
        self.problem = ''
        self.back_at = float('-inf')
        self.questions: list[list[str]] = []
        self.left: list[str] = []

    @property
    def trouble(self) -> str:
        return self.problem

    @property
    def since(self) -> float:
        return self.back_at

    def join(self, member: sg_driver.Member) -> None: ...

    def leave(self, member: sg_driver.Member) -> None:
        self.left.append(member.host)

    def alive(
        self, members: Collection[sg_driver.Member]
    ) -> sg_driver.Presence:
        self.questions.append([member.host for member in members])
        if self.failure is not None:
            raise self.failure
        return sg_driver.Presence(
            {member for member in members if member.host in self.hosts},
            {member for member in members if member.host in self.unknown},
        )

    def close(self) -> None: ...


def row(host: str, **other: Any) -> dict[str, Any]:
    """A row of the services table; by default, its last beat is 10 s old."""
    values = {
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
    return {
        name: text(value) if isinstance(value, datetime.datetime) else value
        for name, value in values.items()
    }


# Microseconds.
EVER = 10**15
S = 1_000_000


class RuleTest(base.TestCase):
    """
    :ivar windows: when beats could be received: at first, always until now
    """

    def setUp(self) -> None:
        super().setUp()
        self.now = 1000.0
        self.windows = [(EVER, 0)]
        self.driver = FakeDriver('a', 'b')
        self.monitored = monitored_driver.MonitoredDriver(
            self.driver, lambda: self.now
        )

    def judge(self, *rows: Any) -> list[liveness.Verdict]:
        judge = liveness.Liveness(
            self.monitored,
            lambda: [reception.Window(*each) for each in self.windows],
        )
        return judge.judge(rows)

    def verdict(self, host: str, **other: Any) -> liveness.Verdict:
        (verdict,) = self.judge(row(host, **other))
        return verdict


class TestRule(RuleTest):
    def judged(self, *rows: dict[str, Any]) -> list[tuple[bool, str]]:
        """Whether each row is up, and the reason."""
        return [(verdict.up, verdict.reason) for verdict in self.judge(*rows)]

    def test_a_service_with_a_fresh_beat_and_present_is_up(self) -> None:
        self.assertEqual([(True, '')], self.judged(row('a')))

    def test_a_service_with_an_old_beat_is_down_though_present(self) -> None:
        self.assertEqual(
            [(False, 'last beat 60.1 s ago, allowed 60 s')],
            self.judged(row('a', age=60_100_000)),
        )
        self.assertEqual([(True, '')], self.judged(row('a', age=60_000_000)))

    def test_an_absent_service_is_down_though_its_beat_is_fresh(self) -> None:
        ((up, reason),) = self.judged(row('z'))
        self.assertFalse(up)
        self.assertIn('fake has no acme-worker', reason)

    def test_a_service_that_is_forced_down_is_down(self) -> None:
        self.assertEqual(
            [(False, 'forced down')], self.judged(row('a', forced_down=True))
        )

    def test_a_service_in_quarantine_is_down(self) -> None:
        self.assertEqual(
            [(False, 'in quarantine')], self.judged(row('a', quarantined=True))
        )

    def test_a_service_that_has_left_is_down(self) -> None:
        left_at = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
        self.assertEqual(
            [(False, 'left at 2026-01-02T03:04:05Z')],
            self.judged(row('a', left_at=left_at)),
        )

    def test_each_service_is_judged_by_its_own_down_after(self) -> None:
        self.assertEqual(
            [True, False],
            [
                up
                for up, _ in self.judged(
                    row('a', down_after=11), row('b', down_after=9)
                )
            ],
        )

    def test_the_driver_is_asked_once_about_services_with_fresh_beats(
        self,
    ) -> None:
        self.judged(
            row('a'),
            row('b', age=10**9),
            row('z'),
            row('a', forced_down=True),
        )
        self.assertEqual([['a', 'z']], self.driver.questions)

    def test_a_driver_that_does_not_detect_is_not_asked(self) -> None:
        self.driver.detects = False
        self.assertEqual([(True, '')], self.judged(row('z')))
        self.assertEqual([], self.driver.questions)

    def test_no_rows_have_no_verdicts(self) -> None:
        self.assertEqual([], self.judged())


class TestReception(RuleTest):
    """Only silence while beats could be received makes a service down."""

    def liveness(self, age: float, **other: Any) -> str:
        """The liveness of a service whose last beat is so many seconds old."""
        return self.verdict('a', age=int(age * S), **other).liveness

    def setUp(self) -> None:
        super().setUp()
        self.driver.detects = False

    def test_an_outage_makes_no_service_down(self) -> None:
        self.windows = [(EVER, 600 * S)]
        self.assertEqual('unknown', self.liveness(610))
        self.assertTrue(self.verdict('a', age=610 * S).up)
        self.assertIn(
            'no beat of any member arrived for 600.0 s',
            self.verdict('a', age=610 * S).reason,
        )

    def test_a_service_that_was_down_before_an_outage_stays_down(self) -> None:
        self.windows = [(EVER, 600 * S)]
        self.assertEqual('down', self.liveness(661))
        self.windows = [(5 * S, 0), (EVER, 605 * S)]
        self.assertEqual('down', self.liveness(666))

    def test_after_an_outage_services_have_their_down_after_to_beat(
        self,
    ) -> None:
        self.windows = [(59 * S, 0), (EVER, 659 * S)]
        self.assertEqual('unknown', self.liveness(660))
        self.assertIn(
            'no beats could be received until 59.0 s ago',
            self.verdict('a', age=660 * S).reason,
        )
        self.windows = [(61 * S, 0), (EVER, 661 * S)]
        self.assertEqual('down', self.liveness(662))

    def test_a_service_whose_beat_came_after_an_outage_is_up(self) -> None:
        self.windows = [(5 * S, 0), (EVER, 605 * S)]
        self.assertEqual('up', self.liveness(3))

    def test_services_have_their_down_after_after_each_outage(self) -> None:
        self.windows = [(45 * S, 0), (100 * S, 65 * S), (EVER, 120 * S)]
        self.assertEqual('unknown', self.liveness(130))
        # It was silent for 61 s in the window between two outages.
        self.windows = [(50 * S, 0), (200 * S, 139 * S), (EVER, 210 * S)]
        self.assertEqual('down', self.liveness(220))

    def test_a_short_outage_does_not_restart_the_count_of_silence(
        self,
    ) -> None:
        # 10 s are short beside a down_after of 60 s, and long beside 15 s.
        self.windows = [(5 * S, 0), (EVER, 15 * S)]
        self.assertEqual('unknown', self.liveness(18, down_after=15))
        self.windows = [(50 * S, 0), (EVER, 60 * S)]
        self.assertEqual('unknown', self.liveness(69))
        self.assertEqual('down', self.liveness(71))

    def test_silence_counts_only_within_a_window(self) -> None:
        self.windows = [(EVER, 20 * S)]
        self.assertEqual('unknown', self.liveness(79))
        self.assertEqual('down', self.liveness(81))

    def test_a_service_announced_as_down_does_not_become_unknown(self) -> None:
        self.windows = [(5 * S, 0), (EVER, 605 * S)]
        self.assertEqual('unknown', self.liveness(610, state=None))
        self.assertEqual('down', self.liveness(610, state='down'))

    def test_in_an_outage_the_driver_decides(self) -> None:
        self.driver.detects = True
        self.windows = [(EVER, 600 * S)]
        self.assertEqual('up', self.verdict('a', age=610 * S).liveness)
        self.assertEqual('down', self.verdict('z', age=610 * S).liveness)


class TestDriverOutage(RuleTest):
    """A driver that cannot be asked does not decide."""

    def setUp(self) -> None:
        super().setUp()
        self.driver.patience = 10.0
        self.judge(row('a'))
        self.now += 11

    def fail_driver(self) -> None:
        """Have the driver fail from now on, and notice it."""
        self.driver.failure = exception.DriverUnreachable(
            'fake', 'here', 'gone'
        )
        self.judge(row('a'))

    def recover_driver(self) -> None:
        """Have the driver work again, and notice it."""
        self.driver.failure = None
        self.judge(row('a'))

    def test_while_the_driver_is_away_heartbeats_decide(self) -> None:
        self.fail_driver()
        self.assertEqual('up', self.verdict('z').liveness)
        self.assertEqual('down', self.verdict('a', age=61 * S).liveness)

    def test_an_outage_is_counted_and_logged_once_and_so_is_its_end(
        self,
    ) -> None:
        for _ in range(3):
            self.fail_driver()
        self.assertEqual(1, self.logged('WARNING The servicegroup driver'))
        self.assertEqual(1, self.monitored.outages)
        self.assertIn('gone', self.monitored.trouble)
        self.recover_driver()
        self.assertEqual(1, self.logged('INFO The servicegroup driver fake'))
        self.assertEqual('', self.monitored.trouble)
        self.fail_driver()
        self.assertEqual(2, self.monitored.outages)

    def test_absent_services_stay_up_for_a_while_after_an_outage(self) -> None:
        self.fail_driver()
        self.recover_driver()
        self.now += 9
        self.assertEqual('up', self.verdict('z').liveness)
        self.now += 2
        self.assertEqual('down', self.verdict('z').liveness)

    def test_an_outage_that_the_driver_reports_later_counts(self) -> None:
        self.driver.back_at = self.now
        self.now += 9
        self.assertEqual('up', self.verdict('z').liveness)
        self.now += 2
        self.assertEqual('down', self.verdict('z').liveness)

    def test_a_service_that_was_down_stays_down_until_it_beats(self) -> None:
        self.fail_driver()
        since = NOW + datetime.timedelta(seconds=1)
        down = {'state': 'down', 'state_since': since}
        self.assertEqual('down', self.verdict('z', **down).liveness)
        later = since + datetime.timedelta(seconds=1)
        self.assertEqual(
            'up', self.verdict('z', last_seen_up=later, **down).liveness
        )

    def test_a_service_that_has_just_joined_may_be_absent(self) -> None:
        def joined(seconds: int) -> datetime.datetime:
            # Its last beat, at NOW, is 10 s old.
            return NOW - datetime.timedelta(seconds=seconds - 10)

        self.driver.patience = 10.0
        self.assertEqual(
            'up', self.verdict('z', age=1 * S, joined_at=joined(18)).liveness
        )
        self.assertEqual(
            'down', self.verdict('z', age=1 * S, joined_at=joined(20)).liveness
        )

    def test_services_unknown_to_the_driver_are_judged_by_heartbeats(
        self,
    ) -> None:
        self.driver.unknown = ('y',)
        self.assertEqual(
            ['up', 'down'],
            [verdict.liveness for verdict in self.judge(row('y'), row('z'))],
        )

    def test_the_loss_of_one_of_its_servers_is_an_outage(self) -> None:
        for problem in ('one is away', 'one is away', '', 'again'):
            self.driver.problem = problem
            self.judge(row('a'))
        self.assertEqual(2, self.monitored.outages)
        self.assertEqual(2, self.logged('falling back to heartbeats: '))
        self.assertEqual(1, self.logged('INFO The servicegroup driver fake'))
        self.assertFalse(self.monitored.sound)

    def test_trouble_before_the_first_answer_is_no_outage(self) -> None:
        self.monitored = monitored_driver.MonitoredDriver(
            self.driver, lambda: self.now
        )
        for problem in ('it is new', ''):
            self.driver.problem = problem
            self.judge(row('a'))
        self.assertEqual(0, self.monitored.outages)

    def test_a_bug_in_the_driver_makes_no_service_down(self) -> None:
        self.driver.failure = ZeroDivisionError()
        self.assertEqual('up', self.verdict('z').liveness)
        self.assertEqual(1, self.logged('Traceback'))
