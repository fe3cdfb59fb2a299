"""The rule."""

import datetime
from collections.abc import Collection
from typing import Any

from sgconductor import exception
from sgconductor.conductor import liveness
from sgconductor.db import reception
from sgconductor.servicegroup import driver
from sgconductor.servicegroup import monitored_driver
from tests import base

NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


def text(moment: datetime.datetime) -> str:
    """A moment as rows have it."""
    return moment.strftime('%Y-%m-%dT%H:%M:%S.%fZ')


class Roll(driver.Driver):
    """A driver that knows who is alive, and counts how often it is asked."""

    name = 'roll'

    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts
        self.unknown: tuple[str, ...] = ()
        self.failure: Exception | None = None
        self.mute = ''
        self.back_at = float('-inf')
        self.asked: list[list[str]] = []
        self.left: list[str] = []

    @property
    def trouble(self) -> str:
        return self.mute

    @property
    def since(self) -> float:
        return self.back_at

    def join(self, member: driver.Member) -> None: ...

    def leave(self, member: driver.Member) -> None:
        self.left.append(member.host)

    def alive(self, members: Collection[driver.Member]) -> driver.Presence:
        self.asked.append([member.host for member in members])
        if self.failure is not None:
            raise self.failure
        return driver.Presence(
            {member for member in members if member.host in self.hosts},
            {member for member in members if member.host in self.unknown},
        )

    def close(self) -> None: ...


def row(host: str, **other: Any) -> dict[str, Any]:
    made = {
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
        for name, value in made.items()
    }


EVER = 10**15
S = 1_000_000


class RuleTest(base.TestCase):
    """
    :ivar windows: when beats were heard: always, until now
    """

    def setUp(self) -> None:
        super().setUp()
        self.now = 1000.0
        self.windows = [(EVER, 0)]
        self.roll = Roll('a', 'b')
        self.voice = monitored_driver.MonitoredDriver(
            self.roll, lambda: self.now
        )

    def judge(self, *rows: dict[str, Any]) -> list[liveness.Verdict]:
        judge = liveness.Liveness(
            self.voice,
            lambda: [reception.Window(*each) for each in self.windows],
        )
        return judge.judge(rows)

    def verdict(self, host: str, **other: Any) -> liveness.Verdict:
        (verdict,) = self.judge(row(host, **other))
        return verdict


class TestRule(RuleTest):
    def judged(self, *rows: dict[str, Any]) -> list[tuple[bool, str]]:
        return [(one.up, one.reason) for one in self.judge(*rows)]

    def test_fresh_and_present_is_up(self) -> None:
        self.assertEqual([(True, '')], self.judged(row('a')))

    def test_stale_is_down_though_present(self) -> None:
        self.assertEqual(
            [(False, 'last beat 60.1 s ago, allowed 60 s')],
            self.judged(row('a', age=60_100_000)),
        )
        self.assertEqual([(True, '')], self.judged(row('a', age=60_000_000)))

    def test_absent_is_down_though_fresh(self) -> None:
        ((up, reason),) = self.judged(row('z'))
        self.assertFalse(up)
        self.assertIn('roll has no acme-worker', reason)

    def test_forced_down_wins_over_all(self) -> None:
        self.assertEqual(
            [(False, 'forced down')], self.judged(row('a', forced_down=True))
        )

    def test_quarantine_is_down_whatever_beats(self) -> None:
        self.assertEqual(
            [(False, 'in quarantine')], self.judged(row('a', quarantined=True))
        )

    def test_left_is_down_at_once(self) -> None:
        left_at = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
        self.assertEqual(
            [(False, 'left at 2026-01-02T03:04:05Z')],
            self.judged(row('a', left_at=left_at)),
        )

    def test_each_is_judged_by_its_own_patience(self) -> None:
        self.assertEqual(
            [True, False],
            [
                up
                for up, _ in self.judged(
                    row('a', down_after=11), row('b', down_after=9)
                )
            ],
        )

    def test_the_driver_is_asked_once_and_only_about_the_fresh(self) -> None:
        self.judged(
            row('a'),
            row('b', age=10**9),
            row('z'),
            row('a', forced_down=True),
        )
        self.assertEqual([['a', 'z']], self.roll.asked)

    def test_the_null_driver_is_not_asked(self) -> None:
        self.roll.detects = False
        self.assertEqual([(True, '')], self.judged(row('z')))
        self.assertEqual([], self.roll.asked)

    def test_nobody_is_judged_without_fuss(self) -> None:
        self.assertEqual([], self.judged())


class TestHearing(RuleTest):
    """Silence counts only where it could be broken."""

    def table(self, age: float, **other: Any) -> str:
        """What is said of one last heard so many seconds ago."""
        return self.verdict('a', age=int(age * S), **other).liveness

    def setUp(self) -> None:
        super().setUp()
        self.roll.detects = False

    def test_nobody_goes_down_while_nobody_is_heard(self) -> None:
        self.windows = [(EVER, 600 * S)]
        self.assertEqual('unknown', self.table(610))
        self.assertTrue(self.verdict('a', age=610 * S).up)
        self.assertIn(
            'no beat of anybody came for 600.0 s',
            self.verdict('a', age=610 * S).reason,
        )

    def test_who_was_down_before_stays_down(self) -> None:
        self.windows = [(EVER, 600 * S)]
        self.assertEqual('down', self.table(661))
        self.windows = [(5 * S, 0), (EVER, 605 * S)]
        self.assertEqual('down', self.table(666))

    def test_after_a_gap_all_have_time_to_be_heard_again(self) -> None:
        self.windows = [(59 * S, 0), (EVER, 659 * S)]
        self.assertEqual('unknown', self.table(660))
        self.assertIn(
            'no beats could be received until 59.0 s ago',
            self.verdict('a', age=660 * S).reason,
        )
        self.windows = [(61 * S, 0), (EVER, 661 * S)]
        self.assertEqual('down', self.table(662))

    def test_who_is_heard_after_a_gap_is_up(self) -> None:
        self.windows = [(5 * S, 0), (EVER, 605 * S)]
        self.assertEqual('up', self.table(3))

    def test_gaps_one_after_the_other_give_time_after_each(self) -> None:
        self.windows = [(45 * S, 0), (100 * S, 65 * S), (EVER, 120 * S)]
        self.assertEqual('unknown', self.table(130))
        # Silent for 61 s between the first two.
        self.windows = [(50 * S, 0), (200 * S, 139 * S), (EVER, 210 * S)]
        self.assertEqual('down', self.table(220))

    def test_a_gap_counts_by_the_patience_that_it_takes(self) -> None:
        # One of 10 s is short beside a minute, and long beside 15 s.
        self.windows = [(5 * S, 0), (EVER, 15 * S)]
        self.assertEqual('unknown', self.table(18, down_after=15))
        self.windows = [(50 * S, 0), (EVER, 60 * S)]
        self.assertEqual('unknown', self.table(69))
        self.assertEqual('down', self.table(71))

    def test_silence_ends_where_hearing_does(self) -> None:
        self.windows = [(EVER, 20 * S)]
        self.assertEqual('unknown', self.table(79))
        self.assertEqual('down', self.table(81))

    def test_who_was_called_down_is_not_called_unknown(self) -> None:
        self.windows = [(5 * S, 0), (EVER, 605 * S)]
        self.assertEqual('unknown', self.table(610, state=None))
        self.assertEqual('down', self.table(610, state='down'))

    def test_the_driver_may_know_more(self) -> None:
        self.roll.detects = True
        self.windows = [(EVER, 600 * S)]
        self.assertEqual('up', self.verdict('a', age=610 * S).liveness)
        self.assertEqual('down', self.verdict('z', age=610 * S).liveness)


class TestVoice(RuleTest):
    """A driver that cannot tell has no say."""

    def setUp(self) -> None:
        super().setUp()
        self.roll.patience = 10.0
        self.judge(row('a'))
        self.now += 11

    def lose(self) -> None:
        self.roll.failure = exception.DriverUnreachable('roll', 'here', 'gone')
        self.judge(row('a'))

    def find(self) -> None:
        self.roll.failure = None
        self.judge(row('a'))

    def test_while_it_is_away_the_table_decides(self) -> None:
        self.lose()
        self.assertEqual('up', self.verdict('z').liveness)
        self.assertEqual('down', self.verdict('a', age=61 * S).liveness)

    def test_one_warning_one_count_and_word_of_its_return(self) -> None:
        for _ in range(3):
            self.lose()
        self.assertEqual(1, self.logged('WARNING The servicegroup driver'))
        self.assertEqual(1, self.voice.outages)
        self.assertIn('gone', self.voice.trouble)
        self.find()
        self.assertEqual(1, self.logged('INFO The servicegroup driver roll'))
        self.assertEqual('', self.voice.trouble)
        self.lose()
        self.assertEqual(2, self.voice.outages)

    def test_on_its_return_the_missing_have_time_to_come(self) -> None:
        self.lose()
        self.find()
        self.now += 9
        self.assertEqual('up', self.verdict('z').liveness)
        self.now += 2
        self.assertEqual('down', self.verdict('z').liveness)

    def test_an_outage_between_two_questions_is_one_too(self) -> None:
        self.roll.back_at = self.now
        self.now += 9
        self.assertEqual('up', self.verdict('z').liveness)
        self.now += 2
        self.assertEqual('down', self.verdict('z').liveness)

    def test_who_was_down_by_its_word_stays_so_until_heard(self) -> None:
        self.lose()
        since = NOW + datetime.timedelta(seconds=1)
        down = {'state': 'down', 'state_since': since}
        self.assertEqual('down', self.verdict('z', **down).liveness)
        heard = since + datetime.timedelta(seconds=1)
        self.assertEqual(
            'up', self.verdict('z', last_seen_up=heard, **down).liveness
        )

    def test_who_has_just_joined_may_be_missing(self) -> None:
        def joined(seconds: int) -> datetime.datetime:
            # It was last seen 10 s ago.
            return NOW - datetime.timedelta(seconds=seconds - 10)

        self.assertEqual(
            'up', self.verdict('z', age=1 * S, joined_at=joined(11)).liveness
        )
        self.assertEqual(
            'down', self.verdict('z', age=1 * S, joined_at=joined(13)).liveness
        )

    def test_of_some_it_may_be_unable_to_tell(self) -> None:
        self.roll.unknown = ('y',)
        self.assertEqual(
            ['up', 'down'],
            [one.liveness for one in self.judge(row('y'), row('z'))],
        )

    def test_one_of_its_servers_away_is_an_outage_too(self) -> None:
        for mute in ('one is away', 'one is away', '', 'again'):
            self.roll.mute = mute
            self.judge(row('a'))
        self.assertEqual(2, self.voice.outages)
        self.assertEqual(2, self.logged('not on all: '))
        self.assertEqual(1, self.logged('INFO The servicegroup driver roll'))
        self.assertFalse(self.voice.sound)

    def test_what_is_new_to_its_servers_has_had_no_outage(self) -> None:
        self.voice = monitored_driver.MonitoredDriver(
            self.roll, lambda: self.now
        )
        for mute in ('it is new', ''):
            self.roll.mute = mute
            self.judge(row('a'))
        self.assertEqual(0, self.voice.outages)

    def test_a_bug_in_it_is_no_ones_death(self) -> None:
        self.roll.failure = ZeroDivisionError()
        self.assertEqual('up', self.verdict('z').liveness)
        self.assertEqual(1, self.logged('Traceback'))
